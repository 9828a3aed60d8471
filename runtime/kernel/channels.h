// Port: framed byte streams to other nodes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/kernel/files.h"
#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull {

/// Whom to reach: a host name of the peer table or ssh's known hosts, optionally as a user.
struct PeerAddress {
  std::string user;  ///< empty = the caller's
  std::string host;
  [[nodiscard]] std::string text() const { return user.empty() ? host : user + "@" + host; }
};

struct TransferOptions {
  std::optional<BytesPerSecond> rate = {};  ///< at most so fast
  bool compress = false;
  bool changing = false;
  bool update = false;
  std::optional<WallTime> unchanged_before = {};
};

/// What a bulk transfer moved. Both ends report the same digest for the same tree.
struct TransferResult {
  TreeSize size;
  Bytes wire;          ///< bytes that crossed the channel
  std::string digest;  ///< as Files::digest_tree of the tree
};

/// One connection. Messages arrive whole, in order, once; or not at all. Not thread-safe.
/// Common errors: connection_lost (peer, cable or node gone), timed_out, protocol (the bytes are
/// no frame of ours), corrupt (a checksum failed), node_down.
class Channel {
 public:
  virtual ~Channel() = default;
  /// Queues one message of at most 16 MiB (invalid_argument).
  virtual Status send(std::string_view message) = 0;
  /// Next message. std::nullopt when the peer closed the channel in order.
  virtual Result<std::optional<std::string>> receive(Duration timeout) = 0;
  /// Streams the content of directory `path`. The peer must call receive_tree.
  virtual Result<TransferResult> send_tree(const std::string& path,
                                           const TransferOptions& options) = 0;
  /// Fills the existing directory `path`, synced when it returns. After an error the directory
  /// holds a part.
  virtual Result<TransferResult> receive_tree(const std::string& path) = 0;
  /// Ends the channel in order; further calls give connection_lost.
  virtual void close() = 0;
};

/// Connections from this node to services of others. Linux: ssh or a local command.
class Channels {
 public:
  virtual ~Channels() = default;
  /// Errors: unreachable (no such host, no route, refused), timed_out, not_permitted,
  /// not_supported (no such service there).
  virtual Result<std::unique_ptr<Channel>> connect(const PeerAddress& peer,
                                                   const std::string& service,
                                                   Duration timeout) = 0;
};

}  // namespace twinhull
