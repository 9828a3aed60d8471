// The source's end of the conversation, once it is begun.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "runtime/kernel/channels.h"
#include "runtime/migrate/message.h"

namespace twinhull::migrate {

/// Asks and sends trees over one connection, which may be replaced.
class Courier {
 public:
  /// `host` is the peer's name in messages; `options` hold for every tree.
  Courier(std::string host, Duration timeout, TransferOptions options)
      : host_(std::move(host)), timeout_(timeout), options_(options) {}

  void use(std::unique_ptr<Channel> channel) {
    channel_ = std::move(channel);
    broken_ = false;
  }
  [[nodiscard]] Channel& channel() { return *channel_; }
  [[nodiscard]] bool connected() const { return channel_ != nullptr; }
  /// The connection goes to another owner, until use().
  std::unique_ptr<Channel> release() { return std::move(channel_); }
  /// Ends the connection in order; nothing when there is none.
  void close();
  /// A tree was cut off: the peer cannot be told anything any more.
  [[nodiscard]] bool broken() const { return broken_; }

  /// Errors: those of ask.
  Result<Message> question(const Message& message);
  /// Asks the same so many times, without waiting for an answer between: the way is kept full.
  Status questions(const Message& message, std::size_t times);

  /// How a tree goes beside the options that hold for all.
  struct Tree {
    std::string path;
    bool changing = false;                       ///< as TransferOptions
    bool update = false;                         ///< likewise
    std::optional<WallTime> unchanged_before{};  ///< likewise
    bool durable = true;                         ///< likewise
    bool accepted = false;  ///< the peer needs to know that the copy is right, for it acts on that
  };
  /// Announces the tree by `message`, streams it, and compares what both ends have seen. With
  /// Tree::accepted the peer hears of it ("TYPE-good"); else it learns it from the next message, for a
  /// wrong copy ends the move. Errors: exit 6, or those of the connection; node_down.
  Result<TransferResult> send_tree(const Message& message, const Tree& tree);

  /// Sends a tree over a channel, with at least these options.
  using Sending = std::function<Result<TransferResult>(Channel&, const TransferOptions&)>;
  /// The same for images that are sent while they are made: `path` is where they lie here. An error of
  /// Checkpoints is given as it is; the peer has heard of it, and can be asked on.
  Result<TransferResult> send_images(const Message& message, const std::string& path,
                                     const Sending& sending);

 private:
  Result<TransferResult> send(const Message& message, const std::string& path,
                              const TransferOptions& options, const Sending& sending);
  [[nodiscard]] Error not_copied(const std::string& path, Error lower) const;

  std::string host_;
  Duration timeout_;
  TransferOptions options_;
  std::unique_ptr<Channel> channel_;
  bool broken_ = false;
};

}  // namespace twinhull::migrate
