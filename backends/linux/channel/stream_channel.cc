#include "backends/linux/channel/stream_channel.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "backends/linux/channel/tree_reader.h"
#include "backends/linux/channel/tree_writer.h"
#include "backends/linux/errno_error.h"
#include "backends/linux/file/path.h"
#include "backends/linux/file/tree_digest.h"

namespace twinhull::linux_backend {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 18;
constexpr std::size_t kLeastPiece = 512;
/// How long the program that carries the stream may take to end by itself. It can be the service
/// itself, which undoes half a migration when its peer is gone: not to be killed in that.
constexpr Duration kEndWait = seconds(60);

}  // namespace

class StreamChannel::Pump {
 public:
  Pump(StreamChannel& channel, const TransferOptions& options, std::string_view operation)
      : channel_(channel), operation_(operation), begin_(steady_now()) {
    if (!options.rate) return;
    rate_ = options.rate->value;
    // Pieces of a tenth of a second: even, and quick to notice a refusal.
    piece_ = std::clamp<std::size_t>(rate_ / 10, kLeastPiece, kPiece);
  }

  Status put(std::string_view bytes) {
    while (!bytes.empty()) {
      TH_ASSIGN(auto refused, channel_.refusal(operation_));
      if (refused) {
        was_refused_ = true;
        return *std::move(refused);
      }
      const std::string_view piece = bytes.substr(0, piece_);
      TH_TRY(channel_.wire_->send(FrameType::tree_data, piece, operation_));
      bytes.remove_prefix(piece.size());
      wire_ += kFrameHeader + piece.size();
      if (rate_ > 0) TH_TRY(channel_.wire_->wait_until(due(), operation_));
    }
    return {};
  }

  [[nodiscard]] std::uint64_t wire() const { return wire_; }
  [[nodiscard]] bool was_refused() const { return was_refused_; }

 private:
  /// When as much as was sent may have been sent, without overflow: wire_ / rate_ in nanoseconds.
  [[nodiscard]] Duration due() const {
    const std::uint64_t whole = wire_ / rate_;
    const std::uint64_t rest = (wire_ % rate_) * 1000 / rate_;
    return begin_ + seconds(whole) + milliseconds(rest);
  }

  StreamChannel& channel_;
  const std::string_view operation_;
  const Duration begin_;
  std::uint64_t rate_ = 0;  ///< bytes a second, 0 = unlimited
  std::size_t piece_ = kPiece;
  std::uint64_t wire_ = 0;
  bool was_refused_ = false;
};

StreamChannel::StreamChannel(std::unique_ptr<Wire> wire, std::optional<Child> child)
    : wire_(std::move(wire)), child_(std::move(child)) {}

StreamChannel::~StreamChannel() {
  wire_->shut();
  end_child();
}

Status StreamChannel::check_open(std::string_view operation) const {
  if (!closed_) return {};
  return fail(ErrorCode::connection_lost, operation, wire_->peer(), "the channel was closed");
}

Error StreamChannel::unexpected(const Frame& frame, std::string_view operation) const {
  return fail(ErrorCode::protocol, operation, wire_->peer(),
              fmt::format("a frame of type {} is out of place", static_cast<int>(frame.type)));
}

Status StreamChannel::send(std::string_view message) {
  constexpr auto kOperation = "channels.send";
  TH_TRY(check_open(kOperation));
  if (message.size() > kMostPayload) {
    return fail(ErrorCode::invalid_argument, kOperation, wire_->peer(), "the message is too long")
        .with_amounts(message.size(), std::nullopt, kMostPayload);
  }
  return wire_->send(FrameType::message, message, kOperation);
}

Result<Frame> StreamChannel::next(std::optional<Duration> timeout, std::string_view operation) {
  if (!kept_.empty()) {
    Frame frame = std::move(kept_.front());
    kept_.pop_front();
    return frame;
  }
  return wire_->receive(timeout, operation);
}

Result<std::optional<std::string>> StreamChannel::receive(Duration timeout) {
  constexpr auto kOperation = "channels.receive";
  TH_TRY(check_open(kOperation));
  if (peer_closed_) return std::nullopt;
  TH_ASSIGN(Frame frame, next(timeout, kOperation));
  if (frame.type == FrameType::message) return std::move(frame.payload);
  if (frame.type != FrameType::close) return unexpected(frame, kOperation);
  peer_closed_ = true;
  return std::nullopt;
}

Result<std::optional<Error>> StreamChannel::refusal(std::string_view operation) {
  for (;;) {
    TH_ASSIGN(auto frame, wire_->take(operation));
    if (!frame) return std::nullopt;
    if (frame->type == FrameType::tree_refused)
      return parse_error(frame->payload, operation, wire_->peer());
    kept_.push_back(*std::move(frame));
  }
}

Result<TransferResult> StreamChannel::send_tree(const std::string& path,
                                                const TransferOptions& options) {
  constexpr auto kOperation = "channels.send_tree";
  TH_TRY(check_open(kOperation));
  TH_TRY(check_path(kOperation, path));
  if (options.rate && options.rate->value == 0)
    return fail(ErrorCode::invalid_argument, kOperation, path, "the rate is 0");
  const std::string top = clean_path(path);
  EntryFacts facts;
  if (const int error = read_facts(AT_FDCWD, top.c_str(), facts); error != 0)
    return system_error(kOperation, path, error);
  if (!facts.is_directory())
    return fail(ErrorCode::not_directory, kOperation, path, "not a directory");

  Pump pump(*this, options, kOperation);
  const auto summary = write_tree_archive(
      top, kOperation, [&pump](std::string_view bytes) { return pump.put(bytes); });
  if (!summary) {
    // The peer must learn that no more comes; when it is the peer that failed, that is what it
    // waits for too. A lost connection needs no word.
    if (summary.error().code != ErrorCode::connection_lost || pump.was_refused())
      TH_TRY(wire_->send(FrameType::tree_failed, error_text(summary.error()), kOperation));
    return summary.error();
  }
  TH_TRY(wire_->send(FrameType::tree_end, tree_end_text(*summary), kOperation));
  TH_TRY(wait_taken(kOperation));
  TransferResult result;
  result.size = {{summary->bytes}, {summary->inodes}};
  result.wire = {pump.wire()};
  result.digest = summary->digest;
  return result;
}

Status StreamChannel::wait_taken(std::string_view operation) {
  for (;;) {
    TH_ASSIGN(Frame frame, wire_->receive(std::nullopt, operation));
    if (frame.type == FrameType::tree_taken) return {};
    if (frame.type == FrameType::tree_refused)
      return parse_error(frame.payload, operation, wire_->peer());
    if (frame.type == FrameType::close) {
      return fail(ErrorCode::connection_lost, operation, wire_->peer(),
                  "the peer closed the channel before it took the tree");
    }
    kept_.push_back(std::move(frame));
  }
}

Result<TransferResult> StreamChannel::receive_tree(const std::string& path) {
  constexpr auto kOperation = "channels.receive_tree";
  TH_TRY(check_open(kOperation));
  TH_TRY(check_path(kOperation, path));
  if (peer_closed_)
    return fail(ErrorCode::connection_lost, kOperation, wire_->peer(),
                "the peer closed the channel");
  bool at_end = false;
  auto stored = store_tree(clean_path(path), kOperation, at_end);
  if (stored) {
    TH_TRY(wire_->send(FrameType::tree_taken, stored->digest, kOperation));
    return stored;
  }
  const Error& error = stored.error();
  // A stream that is broken cannot be mended; otherwise the sender is told, and what it still sends
  // is skipped, so that the channel can be used on.
  if (error.code == ErrorCode::connection_lost || error.code == ErrorCode::protocol ||
      error.code == ErrorCode::interrupted)
    return stored;
  TH_TRY(wire_->send(FrameType::tree_refused, error_text(error), kOperation));
  if (!at_end) TH_TRY(skip_tree(kOperation));
  return stored;
}

Result<TransferResult> StreamChannel::store_tree(const std::string& path,
                                                 std::string_view operation, bool& at_end) {
  TransferResult result;
  std::optional<TreeSummary> summary;
  // Gives std::nullopt when the archive is complete.
  const auto source = [&]() -> Result<std::optional<std::string>> {
    if (summary) return std::nullopt;
    TH_ASSIGN(Frame frame, next(std::nullopt, operation));
    if (frame.type == FrameType::tree_data) {
      result.wire.value += kFrameHeader + frame.payload.size();
      return std::move(frame.payload);
    }
    if (frame.type == FrameType::tree_failed) {
      at_end = true;
      return parse_error(frame.payload, operation, wire_->peer());
    }
    if (frame.type == FrameType::close) {
      peer_closed_ = true;
      return fail(ErrorCode::connection_lost, operation, wire_->peer(),
                  "the peer closed the channel before the tree was complete");
    }
    if (frame.type != FrameType::tree_end) return unexpected(frame, operation);
    at_end = true;
    summary = parse_tree_end(frame.payload);
    if (!summary) return unexpected(frame, operation);
    return std::nullopt;
  };
  TH_TRY(read_tree_archive(path, operation, source));
  // The end mark of the archive comes before the last padding.
  for (;;) {
    TH_ASSIGN(const auto piece, source());
    if (!piece) break;
  }
  TH_ASSIGN(result.digest, digest_tree(path, operation));
  if (result.digest != summary->digest) {
    return fail(ErrorCode::corrupt, operation, path,
                "what arrived is not what was sent: digest " + result.digest + " here, " +
                    summary->digest + " there")
        .with_hint("files of the tree may have changed while it was sent");
  }
  result.size = {{summary->bytes}, {summary->inodes}};
  return result;
}

Status StreamChannel::skip_tree(std::string_view operation) {
  for (;;) {
    TH_ASSIGN(const Frame frame, next(std::nullopt, operation));
    if (frame.type == FrameType::tree_end || frame.type == FrameType::tree_failed) return {};
    if (frame.type != FrameType::tree_data) return unexpected(frame, operation);
  }
}

void StreamChannel::close() {
  if (std::exchange(closed_, true)) return;
  // A peer that is gone already cannot be told; there is nobody to report it to either.
  static_cast<void>(wire_->send(FrameType::close, {}, "channels.close"));
  wire_->shut();
  end_child();
}

void StreamChannel::end_child() {
  if (!child_) return;
  const Duration deadline = steady_now() + kEndWait;
  // Its words are read meanwhile, so that it does not wait for us to take them.
  while (!child_->wait(steady_now() + milliseconds(10)) && steady_now() < deadline)
    wire_->drain_complaints(steady_now() + milliseconds(10));
  child_->finish(deadline);
  child_.reset();
}

}  // namespace twinhull::linux_backend
