// The frames of a channel's byte stream.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull::linux_backend {

/// What a frame carries. The numbers are the wire format of version 2.
enum class FrameType : std::uint8_t {
  hello = 1,         ///< the connecting side's first: see hello_text
  hello_reply = 2,   ///< the serving side's first: "ok", or an error_text
  message = 3,       ///< one message of Channel::send
  tree_data = 4,     ///< a piece of an archive
  tree_end = 5,      ///< after the last piece: a tree_end_text
  tree_failed = 6,   ///< instead of the last piece: the sender's error_text
  tree_taken = 7,    ///< the receiver has stored and checked the tree
  tree_refused = 8,  ///< the receiver's error_text; may come while pieces still arrive
  close = 9,         ///< the last frame of a side that ends the channel in order
  tree_begin = 10,   ///< the sender's first about a tree: a tree_mode_text
  tree_manifest = 11,      ///< the receiver's, before an update: entries of a manifest
  tree_manifest_end = 12,  ///< after the last
  tree_packed = 13,  ///< as tree_data, compressed (see pack.h)
};

struct Frame {
  FrameType type = FrameType::message;
  std::string payload;
};

/// Header: magic "THf1", type, three zero bytes, length and XXH3 (64 bits) of type and payload;
/// numbers are little-endian.
inline constexpr std::size_t kFrameHeader = 20;
inline constexpr std::size_t kMostPayload = std::size_t{16} << 20;
inline constexpr unsigned kProtocolVersion = 2;

/// Precondition: at most kMostPayload bytes.
std::string encode_frame(FrameType type, std::string_view payload);

/// Cuts a byte stream of a peer into frames, whatever the bytes are.
class FrameParser {
 public:
  void feed(std::string_view bytes);
  /// The next whole frame, std::nullopt when more bytes are needed. After an error the stream is
  /// lost: each further call gives the same. Errors: protocol (no frame of ours), corrupt
  /// (checksum).
  Result<std::optional<Frame>> next();
  /// Bytes that are held and not cut yet.
  [[nodiscard]] std::size_t pending() const { return buffer_.size() - begin_; }

 private:
  std::string buffer_;
  std::size_t begin_ = 0;
  std::optional<Error> broken_;
};

/// "TWINHULL/1 migrate".
std::string hello_text(std::string_view service);
/// The service of a hello. Errors: protocol (no hello, another version).
Result<std::string> parse_hello(std::string_view text);

/// "no_space the disk is full": code and words of an error.
std::string error_text(const Error& error);
/// The error of a peer; `failed` for a code that this version does not know.
Error parse_error(std::string_view text, std::string_view operation, std::string_view object);

/// What the receiver must know before a tree comes.
struct TreeMode {
  bool update = false;
  bool digests = false;  ///< the manifest is to hold digests of contents
  bool partial = false;  ///< the digest at the end is that of the stream, not of the whole tree
  bool operator==(const TreeMode&) const = default;
};
std::string tree_mode_text(const TreeMode& mode);
std::optional<TreeMode> parse_tree_mode(std::string_view text);

/// Decimal digits and nothing else.
std::optional<std::uint64_t> parse_count(std::string_view text);

/// What the sender of a tree saw.
struct TreeSummary {
  std::string digest;
  std::uint64_t bytes = 0;
  std::uint64_t inodes = 0;
  std::uint64_t sent_bytes = 0;   ///< of the entries that were sent with their content
  std::uint64_t sent_inodes = 0;
};
std::string tree_end_text(const TreeSummary& summary);
std::optional<TreeSummary> parse_tree_end(std::string_view text);

}  // namespace twinhull::linux_backend
