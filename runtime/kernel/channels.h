// Port: framed byte streams to other nodes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/kernel/files.h"
#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull {

/// Whom to reach: a host name of the peer table or ssh's known hosts, optionally as a user.
struct PeerAddress {
  std::string user;  ///< empty = the caller's
  std::string host;
  /// Words for ssh before the host, each one an option or its value. Peers that are reached otherwise
  /// refuse them: not_supported.
  std::vector<std::string> ssh_options = {};
  [[nodiscard]] std::string text() const { return user.empty() ? host : user + "@" + host; }
};

/// Who writes a tree while it is sent (TransferOptions::author). A backend's own business: its dump
/// is one (Checkpoints::dump_over), and its channels let it work.
class TreeAuthor {
 public:
  virtual ~TreeAuthor() = default;
  /// Lets it write, for at most so long. True: the tree is complete and rests. Errors: why it never
  /// will be; the transfer fails with this error.
  virtual Result<bool> go_on(Duration at_most) = 0;
  /// Whether the file of this name in the top of the tree does nothing but grow until the tree is
  /// complete: what is there of it may be sent already.
  [[nodiscard]] virtual bool only_grows(const std::string& name) const = 0;
  /// Size of the complete tree, once go_on() has been called, as far as its author can know it: 0 if
  /// not.
  [[nodiscard]] virtual Bytes expected() const = 0;
};

/// How a tree is sent. Only the sender chooses: the receiver learns it from the stream.
struct TransferOptions {
  std::optional<BytesPerSecond> rate = {};  ///< at most so fast, counted as TransferResult::wire
  bool compress = false;  ///< the stream is compressed where that pays (zstd)
  /// The tree is in use: entries may change, grow, shrink, come or vanish while they are read; that
  /// is no error. A file that shrinks is filled up with zeros, one that grows is cut at the length
  /// that it had. What was torn is put right by a later update (unchanged_before: the moment before
  /// this transfer began).
  bool changing = false;
  /// The peer's directory holds an earlier state, or a part, of this tree: only what differs is
  /// sent, and what is gone here is removed there. The peer's directory must rest meanwhile.
  bool update = false;
  /// With `update`: an entry whose inode last changed (ctime) before this moment of this node's
  /// calendar, and whose kind, size, modification time, mode, owner, link target and attributes
  /// agree with the peer's, is taken as the same unread. std::nullopt: the contents of files that
  /// agree in size are compared by digest.
  std::optional<WallTime> unchanged_before = {};
  /// The peer's directory survives a power cut there from the moment that this returns. Off: the
  /// peer's disk is not waited for; after a power cut the directory may hold anything.
  bool durable = true;
  /// Directories below the tree ("proc", "var/tmp"; no leading '/'): sent themselves, but as if they
  /// were empty. Others than directories of such names go as they are. With `update`, what the peer
  /// has in them is gone here.
  std::vector<std::string> hollow = {};
  /// The tree is still being written, by this author: what is there is sent meanwhile. Not together
  /// with `changing`, `update` or `hollow` (invalid_argument). The peer fails when the author does.
  TreeAuthor* author = nullptr;
};

/// What a bulk transfer moved. Both ends report the same.
struct TransferResult {
  TreeSize size;       ///< the whole tree, as the sender saw it
  TreeSize sent;       ///< the entries sent with their content; without `update` all
  Inodes removed;      ///< with `update`: what the peer's directory lost, for good or to be replaced
  Bytes wire;          ///< bytes of the tree and of what was said about it that crossed the channel
  /// As Files::digest_tree of the tree; with `update`, `changing` or `author` of what was sent, as
  /// the backend orders it.
  std::string digest;
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
  /// Streams the content of directory `path`. The peer must call receive_tree. Other errors: those
  /// of reading the tree, and what the peer could not do; the channel stays usable after both.
  virtual Result<TransferResult> send_tree(const std::string& path,
                                           const TransferOptions& options) = 0;
  /// Fills the existing directory `path` (with an update: makes it equal), synced when it returns
  /// unless the sender waives it.
  /// After an error the directory holds a part, which an update can complete; the channel stays
  /// usable unless its stream is broken (connection_lost, protocol, interrupted).
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
