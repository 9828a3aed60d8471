// The frames of a channel's byte stream.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull::linux_backend {

/// What a frame carries. The numbers are the wire format of this version.
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
  tree_piece = 14,   ///< before the archive of a tree that grows: a piece of a file (followed_files.h)
  tree_piece_packed = 15,
};

struct Frame {
  FrameType type = FrameType::message;
  std::string payload;
  std::uint64_t sum = 0;  ///< of a frame that came: its checksum, which fits
};

/// Header: magic "THf1", type, three zero bytes, length and XXH3 (64 bits) of type and payload;
/// numbers are little-endian.
inline constexpr std::size_t kFrameHeader = 20;
inline constexpr std::size_t kMostPayload = std::size_t{16} << 20;
inline constexpr unsigned kProtocolVersion = 4;

/// XXH3 (64 bits) of type and payload.
std::uint64_t frame_checksum(FrameType type, std::string_view payload);
/// What goes before the payload. Precondition: at most kMostPayload bytes.
std::array<char, kFrameHeader> frame_header(FrameType type, std::string_view payload,
                                            std::uint64_t sum);
/// Header and payload.
std::string encode_frame(FrameType type, std::string_view payload);

/// Cuts a byte stream of a peer into frames, whatever the bytes are.
class FrameParser {
 public:
  void feed(std::string_view bytes);
  /// Where the stream's next bytes may be read to, never empty; `fed` says how many have come. The
  /// payload of a frame whose header next() has seen comes to its place at once, without a copy.
  std::span<char> room();
  void fed(std::size_t count);
  /// The next whole frame, std::nullopt when more bytes are needed. After an error the stream is
  /// lost: each further call gives the same. Errors: protocol (no frame of ours), corrupt
  /// (checksum).
  Result<std::optional<Frame>> next();
  /// Bytes that are held and not cut yet.
  [[nodiscard]] std::size_t pending() const { return buffer_.size() - begin_ + filled_; }

 private:
  /// A frame whose payload is still coming.
  [[nodiscard]] bool fills() const { return open_ && filled_ < open_->payload.size(); }
  Error give_up(ErrorCode code, std::string_view why);
  /// Its payload is whole.
  Result<std::optional<Frame>> finish(Frame frame);

  std::array<char, 8192> scratch_;  ///< room for headers and small frames
  std::string buffer_;              ///< what is not cut yet, from begin_ on
  std::size_t begin_ = 0;
  std::optional<Frame> open_;  ///< its payload has its full size, of which filled_ bytes are there
  std::size_t filled_ = 0;
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
  bool durable = true;   ///< TransferOptions::durable
  bool grows = false;    ///< it has an author: pieces of files may come before the archive
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
