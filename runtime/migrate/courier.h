// The source's end of the conversation, once it is begun.
#pragma once

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
  /// Ends the connection in order; nothing when there is none.
  void close();
  /// A tree was cut off: the peer cannot be told anything any more.
  [[nodiscard]] bool broken() const { return broken_; }

  /// Errors: those of ask.
  Result<Message> question(const Message& message);

  /// How a tree goes beside the options that hold for all.
  struct Tree {
    std::string path;
    bool changing = false;                       ///< as TransferOptions
    bool update = false;                         ///< likewise
    std::optional<WallTime> unchanged_before{};  ///< likewise
  };
  /// Announces the tree by `message`, streams it, and has the peer accept it ("TYPE-good") when
  /// both ends have seen the same. Errors: exit 6, or those of the connection; node_down.
  Result<TransferResult> send_tree(const Message& message, const Tree& tree);

 private:
  std::string host_;
  Duration timeout_;
  TransferOptions options_;
  std::unique_ptr<Channel> channel_;
  bool broken_ = false;
};

}  // namespace twinhull::migrate
