#include "backends/linux/channel/stream_channel.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "backends/linux/channel/pack.h"
#include "backends/linux/channel/tree_reader.h"
#include "backends/linux/channel/tree_writer.h"
#include "backends/linux/errno_error.h"
#include "backends/linux/file/path.h"
#include "backends/linux/file/tree_digest.h"
#include "backends/linux/file/trees.h"

namespace twinhull::linux_backend {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 18;
constexpr std::size_t kLeastPiece = 512;
/// How long the program that carries the stream may take to end by itself. It can be the service
/// itself, which undoes half a migration when its peer is gone: not to be killed in that.
constexpr Duration kEndWait = seconds(60);
/// The kernel stamps files with the time of its last tick, up to 10 ms ago.
constexpr Duration kTick = milliseconds(20);

timespec to_timespec(WallTime time) {
  const auto whole = std::chrono::floor<seconds>(time);
  return {static_cast<time_t>(whole.time_since_epoch().count()),
          static_cast<long>((time - whole).count())};
}

}  // namespace

class StreamChannel::Pump {
 public:
  Pump(StreamChannel& channel, const TransferOptions& options, std::string_view operation)
      : channel_(channel), operation_(operation), begin_(steady_now()) {
    if (options.compress) packer_.emplace();
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
      const auto packed = packer_ ? packer_->pack(piece) : std::nullopt;
      const std::string_view payload = packed ? std::string_view(*packed) : piece;
      TH_TRY(channel_.wire_->send(packed ? FrameType::tree_packed : FrameType::tree_data, payload,
                                  operation_));
      bytes.remove_prefix(piece.size());
      wire_ += kFrameHeader + payload.size();
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
  std::optional<Packer> packer_;
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

  const TreeMode mode{options.update, options.update && !options.unchanged_before,
                      options.update || options.changing};
  TH_TRY(wire_->send(FrameType::tree_begin, tree_mode_text(mode), kOperation));
  bool refused = false;
  auto sent = stream_tree(top, options, kOperation, refused);
  if (!sent) {
    // The peer must learn that no more comes; when it is the peer that failed, that is what it
    // waits for too. A lost connection needs no word.
    if (sent.error().code != ErrorCode::connection_lost || refused)
      TH_TRY(wire_->send(FrameType::tree_failed, error_text(sent.error()), kOperation));
    return sent;
  }
  TH_TRY(wire_->send(FrameType::tree_end,
                     tree_end_text({sent->digest, sent->size.bytes.value, sent->size.inodes.value,
                                    sent->sent.bytes.value, sent->sent.inodes.value}),
                     kOperation));
  TH_ASSIGN(const Frame taken, next_of_receiver(kOperation, refused));
  const auto removed = parse_count(taken.payload);
  if (taken.type != FrameType::tree_taken || !removed) return unexpected(taken, kOperation);
  sent->removed = {*removed};
  return sent;
}

Result<TransferResult> StreamChannel::stream_tree(const std::string& top,
                                                  const TransferOptions& options,
                                                  std::string_view operation, bool& refused) {
  ArchiveOptions how;
  how.changing = options.changing;
  ManifestReader manifest;
  std::uint64_t manifest_wire = 0;
  if (options.update) {
    TH_ASSIGN(manifest, receive_manifest(operation, manifest_wire, refused));
    how.manifest = &manifest;
    how.digests = !options.unchanged_before;
    if (options.unchanged_before)
      how.unchanged_before = to_timespec(*options.unchanged_before - kTick);
  }
  // Pages that are written through a mapping change no time while they are dirty: they are written
  // back first, so that the next write shows.
  if (options.changing) TH_TRY(sync_file_system(top, operation));
  Pump pump(*this, options, operation);
  auto summary = write_tree_archive(
      top, operation, [&pump](std::string_view bytes) { return pump.put(bytes); }, how);
  refused = refused || pump.was_refused();
  if (!summary) return std::move(summary).error();
  TransferResult result;
  result.size = {{summary->bytes}, {summary->inodes}};
  result.sent = {{summary->sent_bytes}, {summary->sent_inodes}};
  result.wire = {manifest_wire + pump.wire()};
  result.digest = summary->digest;
  return result;
}

Result<Frame> StreamChannel::next_of_receiver(std::string_view operation, bool& refused) {
  for (;;) {
    TH_ASSIGN(Frame frame, wire_->receive(std::nullopt, operation));
    if (frame.type == FrameType::tree_refused) {
      refused = true;
      return parse_error(frame.payload, operation, wire_->peer());
    }
    if (frame.type == FrameType::close) {
      return fail(ErrorCode::connection_lost, operation, wire_->peer(),
                  "the peer closed the channel before it took the tree");
    }
    if (frame.type != FrameType::message) return frame;
    kept_.push_back(std::move(frame));
  }
}

Result<ManifestReader> StreamChannel::receive_manifest(std::string_view operation,
                                                       std::uint64_t& wire, bool& refused) {
  ManifestReader manifest;
  for (;;) {
    TH_ASSIGN(Frame frame, next_of_receiver(operation, refused));
    if (frame.type == FrameType::tree_manifest_end) return manifest;
    if (frame.type != FrameType::tree_manifest) return unexpected(frame, operation);
    wire += kFrameHeader + frame.payload.size();
    manifest.add(std::move(frame.payload));
  }
}

Status StreamChannel::send_manifest(const std::string& path, bool digests,
                                    std::string_view operation, std::uint64_t& wire) {
  TH_TRY(write_manifest(path, digests, operation, [&](std::string_view piece) {
    wire += kFrameHeader + piece.size();
    return wire_->send(FrameType::tree_manifest, piece, operation);
  }));
  return wire_->send(FrameType::tree_manifest_end, {}, operation);
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
    TH_TRY(wire_->send(FrameType::tree_taken, std::to_string(stored->removed.value), kOperation));
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
  TH_ASSIGN(const Frame begin, next(std::nullopt, operation));
  if (begin.type == FrameType::close) {
    peer_closed_ = true;
    return fail(ErrorCode::connection_lost, operation, wire_->peer(), "the peer closed the channel");
  }
  const auto mode = parse_tree_mode(begin.payload);
  if (begin.type != FrameType::tree_begin || !mode) return unexpected(begin, operation);
  if (mode->update) TH_TRY(send_manifest(path, mode->digests, operation, result.wire.value));
  // Gives std::nullopt when the archive is complete.
  const auto source = [&]() -> Result<std::optional<std::string>> {
    if (summary) return std::nullopt;
    TH_ASSIGN(Frame frame, next(std::nullopt, operation));
    if (frame.type == FrameType::tree_data) {
      result.wire.value += kFrameHeader + frame.payload.size();
      return std::move(frame.payload);
    }
    if (frame.type == FrameType::tree_packed) {
      result.wire.value += kFrameHeader + frame.payload.size();
      auto piece = unpack(frame.payload, kMostPayload);
      if (piece) return piece;
      return fail(ErrorCode::protocol, operation, wire_->peer(), "a packed piece cannot be unpacked");
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
  TH_ASSIGN(const Unpacked unpacked, read_tree_archive(path, operation, *mode, source));
  // The end mark of the archive comes before the last padding.
  for (;;) {
    TH_ASSIGN(const auto piece, source());
    if (!piece) break;
  }
  result.digest = unpacked.digest;
  if (!mode->partial) {
    TH_ASSIGN(result.digest, digest_tree(path, operation));
  }
  if (result.digest != summary->digest) {
    return fail(ErrorCode::corrupt, operation, path,
                "what arrived is not what was sent: digest " + result.digest + " here, " +
                    summary->digest + " there")
        .with_hint("files of the tree may have changed while it was sent");
  }
  result.size = {{summary->bytes}, {summary->inodes}};
  result.sent = {{summary->sent_bytes}, {summary->sent_inodes}};
  result.removed = {unpacked.removed};
  return result;
}

Status StreamChannel::skip_tree(std::string_view operation) {
  for (;;) {
    TH_ASSIGN(const Frame frame, next(std::nullopt, operation));
    if (frame.type == FrameType::tree_end || frame.type == FrameType::tree_failed) return {};
    if (frame.type != FrameType::tree_data && frame.type != FrameType::tree_packed)
      return unexpected(frame, operation);
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
