#include "backends/linux/channel/frame.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace twinhull::linux_backend {
namespace {

constexpr std::string_view kMagic = "THf1";
constexpr std::string_view kGreeting = "TWINHULL/";
constexpr auto kOperation = "channels.receive";

void put_number(char* at, std::uint64_t number, std::size_t width) {
  for (std::size_t i = 0; i < width; ++i) at[i] = static_cast<char>((number >> (8 * i)) & 0xff);
}

std::uint64_t get_number(std::string_view bytes) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    number |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  return number;
}

bool take_number(std::string_view& text, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

}  // namespace

std::uint64_t frame_checksum(FrameType type, std::string_view payload) {
  return XXH3_64bits_withSeed(payload.data(), payload.size(), static_cast<std::uint8_t>(type));
}

std::array<char, kFrameHeader> frame_header(FrameType type, std::string_view payload,
                                            std::uint64_t sum) {
  std::array<char, kFrameHeader> bytes;
  std::ranges::copy(kMagic, bytes.begin());
  put_number(&bytes[4], static_cast<std::uint8_t>(type), 4);
  put_number(&bytes[8], payload.size(), 4);
  put_number(&bytes[12], sum, 8);
  return bytes;
}

std::string encode_frame(FrameType type, std::string_view payload) {
  const auto header = frame_header(type, payload, frame_checksum(type, payload));
  std::string bytes;
  bytes.reserve(header.size() + payload.size());
  bytes.append(header.data(), header.size());
  bytes += payload;
  return bytes;
}

std::span<char> FrameParser::room() {
  if (fills()) return std::span(open_->payload).subspan(filled_);
  return scratch_;
}

void FrameParser::fed(std::size_t count) {
  if (fills())
    filled_ += count;
  else
    feed({scratch_.data(), count});
}

void FrameParser::feed(std::string_view bytes) {
  if (broken_) return;
  if (fills()) {
    const std::size_t taken = std::min(bytes.size(), open_->payload.size() - filled_);
    std::ranges::copy(bytes.substr(0, taken), open_->payload.begin() + static_cast<std::ptrdiff_t>(filled_));
    filled_ += taken;
    bytes.remove_prefix(taken);
  }
  // Moves the rest to the front once what was cut is the larger part.
  if (begin_ > 0 && begin_ >= buffer_.size() - begin_) {
    buffer_.erase(0, begin_);
    begin_ = 0;
  }
  buffer_ += bytes;
}

Error FrameParser::give_up(ErrorCode code, std::string_view why) {
  broken_ = fail(code, kOperation, "channel", why);
  buffer_.clear();
  begin_ = filled_ = 0;
  open_.reset();
  return *broken_;
}

Result<std::optional<Frame>> FrameParser::finish(Frame frame) {
  if (frame.sum == frame_checksum(frame.type, frame.payload)) return std::optional(std::move(frame));
  return give_up(ErrorCode::corrupt, "the checksum of a frame does not fit its bytes");
}

Result<std::optional<Frame>> FrameParser::next() {
  if (broken_) return *broken_;
  if (open_) {
    if (fills()) return std::nullopt;
    filled_ = 0;
    return finish(*std::exchange(open_, std::nullopt));
  }
  const std::string_view held = std::string_view(buffer_).substr(begin_);
  // Told as early as possible: a shell's complaint may be shorter than a header.
  const std::string_view start = held.substr(0, kMagic.size());
  if (start != kMagic.substr(0, start.size())) {
    return give_up(ErrorCode::protocol, fmt::format("the peer speaks something else: \"{}\"",
                                                    held.substr(0, held.find('\n')).substr(0, 80)));
  }
  if (held.size() < kFrameHeader) return std::nullopt;
  const std::uint64_t type = get_number(held.substr(4, 4));
  const std::uint64_t length = get_number(held.substr(8, 4));
  if (type < static_cast<std::uint8_t>(FrameType::hello) ||
      type > static_cast<std::uint8_t>(FrameType::tree_piece_packed))
    return give_up(ErrorCode::protocol, fmt::format("a frame of unknown type {}", type));
  if (length > kMostPayload)
    return give_up(ErrorCode::protocol, fmt::format("a frame of {} bytes", length));
  Frame frame;
  frame.sum = get_number(held.substr(12, 8));
  frame.type = static_cast<FrameType>(type);
  frame.payload = held.substr(kFrameHeader, length);
  if (frame.payload.size() == length) {
    begin_ += kFrameHeader + length;
    return finish(std::move(frame));
  }
  filled_ = frame.payload.size();
  frame.payload.resize(length);
  open_ = std::move(frame);
  buffer_.clear();
  begin_ = 0;
  return std::nullopt;
}

std::string hello_text(std::string_view service) {
  return fmt::format("{}{} {}", kGreeting, kProtocolVersion, service);
}

Result<std::string> parse_hello(std::string_view text) {
  const auto wrong = [](std::string_view why) {
    return fail(ErrorCode::protocol, "channels.serve", "peer", why);
  };
  if (!text.starts_with(kGreeting)) return wrong("the peer does not greet as Twinhull does");
  text.remove_prefix(kGreeting.size());
  std::uint64_t version = 0;
  if (!take_number(text, version) || !text.starts_with(' '))
    return wrong("the peer does not greet as Twinhull does");
  if (version != kProtocolVersion) {
    return wrong(fmt::format("the peer speaks version {} of the protocol, this node version {}",
                             version, kProtocolVersion))
        .with_hint("install the same version of Twinhull on both nodes");
  }
  return std::string(text.substr(1));
}

std::string error_text(const Error& error) {
  return fmt::format("{} {}", to_string(error.code), error.message());
}

Error parse_error(std::string_view text, std::string_view operation, std::string_view object) {
  const auto space = text.find(' ');
  const auto code = parse_error_code(text.substr(0, space));
  const std::string_view words =
      space == std::string_view::npos ? std::string_view() : text.substr(space + 1);
  return fail(code.value_or(ErrorCode::failed), operation, object, code ? words : text);
}

std::string tree_mode_text(const TreeMode& mode) {
  return fmt::format("{:d} {:d} {:d} {:d} {:d}", mode.update, mode.digests, mode.partial, mode.durable,
                     mode.grows);
}

std::optional<TreeMode> parse_tree_mode(std::string_view text) {
  if (text.size() != 9) return std::nullopt;
  const TreeMode mode{text[0] == '1', text[2] == '1', text[4] == '1', text[6] == '1', text[8] == '1'};
  if (tree_mode_text(mode) != text) return std::nullopt;
  return mode;
}

std::optional<std::uint64_t> parse_count(std::string_view text) {
  std::uint64_t number = 0;
  if (!take_number(text, number) || !text.empty()) return std::nullopt;
  return number;
}

std::string tree_end_text(const TreeSummary& summary) {
  return fmt::format("{} {} {} {} {}", summary.digest, summary.bytes, summary.inodes,
                     summary.sent_bytes, summary.sent_inodes);
}

std::optional<TreeSummary> parse_tree_end(std::string_view text) {
  TreeSummary summary;
  const auto space = text.find(' ');
  if (space != 16) return std::nullopt;
  summary.digest = text.substr(0, space);
  text.remove_prefix(space);
  for (std::uint64_t* number :
       {&summary.bytes, &summary.inodes, &summary.sent_bytes, &summary.sent_inodes}) {
    if (!text.starts_with(' ')) return std::nullopt;
    text.remove_prefix(1);
    if (!take_number(text, *number)) return std::nullopt;
  }
  if (!text.empty()) return std::nullopt;
  return summary;
}

}  // namespace twinhull::linux_backend
