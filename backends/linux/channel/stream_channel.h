// A channel over a byte stream.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "backends/linux/channel/child.h"
#include "backends/linux/channel/followed_files.h"
#include "backends/linux/channel/frame.h"
#include "backends/linux/channel/tree_manifest.h"
#include "backends/linux/channel/wire.h"
#include "runtime/kernel/channels.h"

namespace twinhull::linux_backend {

/// One end of a channel, after the greeting. A child that carries the stream belongs to it.
class StreamChannel final : public Channel {
 public:
  StreamChannel(std::unique_ptr<Wire> wire, std::optional<Child> child);
  /// Without close() the peer sees a lost connection. The child is waited for and reaped.
  ~StreamChannel() override;

  Status send(std::string_view message) override;
  Result<std::optional<std::string>> receive(Duration timeout) override;
  Result<TransferResult> send_tree(const std::string& path,
                                   const TransferOptions& options) override;
  Result<TransferResult> receive_tree(const std::string& path) override;
  void close() override;

 private:
  /// Sets pieces of an archive on their way, not faster than the rate.
  class Pump;
  [[nodiscard]] Status check_open(std::string_view operation) const;
  /// The receiver's refusal, if one has come; what else came is kept for receive().
  Result<std::optional<Error>> refusal(std::string_view operation);
  /// Next frame in order: kept ones first.
  Result<Frame> next(std::optional<Duration> timeout, std::string_view operation);
  /// Next frame for the sender of a tree: messages are kept. Errors: the receiver's refusal, which
  /// is marked; connection_lost.
  Result<Frame> next_of_receiver(std::string_view operation, bool& refused);
  /// What the receiver's directory holds; `wire` counts what that took.
  Result<ManifestReader> receive_manifest(std::string_view operation, std::uint64_t& wire,
                                          bool& refused);
  /// Lets the author write its tree to its end, and sends meanwhile what is there of it.
  Status follow_author(const std::string& top, TreeAuthor& author, Pump& pump, FollowedFiles& followed,
                       std::string_view operation);
  /// The body of send_tree after the tree was announced.
  Result<TransferResult> stream_tree(const std::string& top, const TransferOptions& options,
                                     std::string_view operation, bool& refused);
  Status send_manifest(const std::string& path, bool digests, std::string_view operation,
                       std::uint64_t& wire);
  /// Whether the sender has said its last word about a tree, and whether that was a failure.
  struct Ending {
    bool reached = false;
    bool failed = false;
  };
  Result<TransferResult> store_tree(const std::string& path, std::string_view operation,
                                    Ending& ending);
  /// Stores pieces of files; `after` is the first frame behind them.
  Status store_pieces(PieceStore& store, std::optional<Frame>& after, std::uint64_t& wire,
                      std::string_view operation);
  Status skip_tree(std::string_view operation);
  void end_child();
  [[nodiscard]] Error unexpected(const Frame& frame, std::string_view operation) const;

  std::unique_ptr<Wire> wire_;
  std::optional<Child> child_;
  std::deque<Frame> kept_;
  bool closed_ = false;       ///< by us
  bool peer_closed_ = false;  ///< in order
  /// Trees that came here whole and durable: an update of one has to sync only what it touches.
  std::set<std::string> durable_trees_;
};

}  // namespace twinhull::linux_backend
