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
#include "backends/linux/mount_table.h"

namespace twinhull::linux_backend {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;
constexpr std::size_t kLeastPiece = 512;
/// How often is looked at what the author of a tree has written.
constexpr Duration kLook = milliseconds(3);
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

/// Writes back the file systems of a tree that may be in use: the one that holds it, and those that
/// are mounted below. One that goes away meanwhile has nothing more to write.
Status sync_tree(const std::string& top, const TransferOptions& options,
                 std::string_view operation) {
  TH_ASSIGN(const auto mounts, read_mount_table(operation));
  const std::string below = top == "/" ? top : top + "/";
  const auto left_out = [&](const MountEntry& mount) {
    if (!mount.target.starts_with(below) || mount.target == top) return true;
    const std::string inside = mount.target.substr(below.size()) + "/";
    return std::ranges::any_of(options.hollow, [&](const std::string& directory) {
      return inside.starts_with(directory + "/");
    });
  };
  for (const MountEntry& mount : mounts) {
    if (left_out(mount)) continue;
    const Status synced = sync_file_system(mount.target, operation);
    if (!synced && synced.error().code == ErrorCode::input_output) return synced;
  }
  return sync_file_system(top, operation);
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
      TH_ASSIGN(const std::uint64_t sum, send(piece, FrameType::tree_data, FrameType::tree_packed));
      static_cast<void>(sum);
      bytes.remove_prefix(piece.size());
    }
    return {};
  }

  /// A piece of a file that grows, in one frame, whose checksum is returned.
  Result<std::uint64_t> put_piece(std::string_view piece) {
    TH_ASSIGN(auto refused, channel_.refusal(operation_));
    if (!refused) return send(piece, FrameType::tree_piece, FrameType::tree_piece_packed);
    was_refused_ = true;
    return *std::move(refused);
  }

  [[nodiscard]] std::size_t piece() const { return piece_; }
  [[nodiscard]] std::uint64_t wire() const { return wire_; }
  [[nodiscard]] bool was_refused() const { return was_refused_; }

 private:
  Result<std::uint64_t> send(std::string_view piece, FrameType plain, FrameType compressed) {
    const auto packed = packer_ ? packer_->pack(piece) : std::nullopt;
    const std::string_view payload = packed ? std::string_view(*packed) : piece;
    const FrameType type = packed ? compressed : plain;
    const std::uint64_t sum = frame_checksum(type, payload);
    TH_TRY(channel_.wire_->send(type, payload, sum, operation_));
    wire_ += kFrameHeader + payload.size();
    if (rate_ > 0) TH_TRY(channel_.wire_->wait_until(due(), operation_));
    return sum;
  }

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
  // Of a tree that had failed here before the refusal came.
  while (frame.type == FrameType::tree_refused) {
    TH_ASSIGN(frame, next(timeout, kOperation));
  }
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
  const bool grows = options.author != nullptr;
  if (grows && (options.changing || options.update || !options.hollow.empty()))
    return fail(ErrorCode::invalid_argument, kOperation, path,
                "a tree that has an author is sent as it is");
  const std::string top = clean_path(path);
  EntryFacts facts;
  const int error = read_facts(AT_FDCWD, top.c_str(), facts);
  // An author whose directory is missing says so itself, after the beginning: the peer is told.
  if (!grows) {
    if (error != 0) return system_error(kOperation, path, error);
    if (!facts.is_directory())
      return fail(ErrorCode::not_directory, kOperation, path, "not a directory");
  }

  const TreeMode mode{options.update, options.update && !options.unchanged_before,
                      options.update || options.changing || grows, options.durable, grows};
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
  how.hollow = options.hollow;
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
  if (options.changing) TH_TRY(sync_tree(top, options, operation));
  Pump pump(*this, options, operation);
  FollowedFiles followed;
  if (options.author != nullptr) {
    how.followed = &followed;
    const Status written = follow_author(top, *options.author, pump, followed, operation);
    refused = refused || pump.was_refused();
    if (!written) return written.error();
  }
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

Status StreamChannel::follow_author(const std::string& top, TreeAuthor& author, Pump& pump,
                                    FollowedFiles& followed, std::string_view operation) {
  TH_TRY(author.go_on(Duration::zero()));  // an author that cannot begin says why
  FileFollower follower(top, author, pump.piece(), operation);
  for (;;) {
    TH_ASSIGN(const bool complete, author.go_on(kLook));
    TH_TRY(follower.send_new(complete, [&](std::string_view piece) { return pump.put_piece(piece); }));
    if (!complete) continue;
    followed = std::move(follower.files());
    return {};
  }
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
  Ending ending;
  auto stored = store_tree(clean_path(path), kOperation, ending);
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
  if (ending.failed) return stored;  // the sender does not wait for our word
  TH_TRY(wire_->send(FrameType::tree_refused, error_text(error), kOperation));
  if (!ending.reached) TH_TRY(skip_tree(kOperation));
  return stored;
}

Result<TransferResult> StreamChannel::store_tree(const std::string& path,
                                                 std::string_view operation, Ending& ending) {
  TransferResult result;
  std::optional<TreeSummary> summary;
  TH_ASSIGN(const Frame begin, next(std::nullopt, operation));
  if (begin.type == FrameType::close) {
    peer_closed_ = true;
    return fail(ErrorCode::connection_lost, operation, wire_->peer(), "the peer closed the channel");
  }
  const auto mode = parse_tree_mode(begin.payload);
  if (begin.type != FrameType::tree_begin || !mode) return unexpected(begin, operation);
  // Half an update leaves what nobody has synced.
  const bool rest_is_durable = durable_trees_.erase(path) != 0;
  if (mode->update) TH_TRY(send_manifest(path, mode->digests, operation, result.wire.value));
  PieceStore pieces(path, operation);
  std::optional<Frame> first;
  if (mode->grows) TH_TRY(store_pieces(pieces, first, result.wire.value, operation));
  if (first && first->type == FrameType::tree_failed) {
    ending = {true, true};
    return parse_error(first->payload, operation, wire_->peer());
  }
  // Gives std::nullopt when the archive is complete.
  const auto source = [&]() -> Result<std::optional<std::string>> {
    if (summary) return std::nullopt;
    Frame frame;
    if (first) {
      frame = *std::exchange(first, std::nullopt);
    } else {
      TH_ASSIGN(frame, next(std::nullopt, operation));
    }
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
      ending = {true, true};
      return parse_error(frame.payload, operation, wire_->peer());
    }
    if (frame.type == FrameType::close) {
      peer_closed_ = true;
      return fail(ErrorCode::connection_lost, operation, wire_->peer(),
                  "the peer closed the channel before the tree was complete");
    }
    if (frame.type != FrameType::tree_end) return unexpected(frame, operation);
    ending.reached = true;
    summary = parse_tree_end(frame.payload);
    if (!summary) return unexpected(frame, operation);
    return std::nullopt;
  };
  TH_ASSIGN(const Unpacked unpacked,
            read_tree_archive(path, operation, *mode, source, pieces.files(), rest_is_durable));
  // The end mark of the archive comes before the last padding.
  for (;;) {
    TH_ASSIGN(const auto piece, source());
    if (!piece) break;
  }
  result.digest = unpacked.digest;
  // Nobody waits for a disk: what was written is what came. Otherwise it is read again.
  if (!mode->partial && mode->durable) {
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
  if (mode->durable) durable_trees_.insert(path);
  return result;
}

Status StreamChannel::store_pieces(PieceStore& store, std::optional<Frame>& after,
                                   std::uint64_t& wire, std::string_view operation) {
  for (;;) {
    TH_ASSIGN(Frame frame, next(std::nullopt, operation));
    const bool packed = frame.type == FrameType::tree_piece_packed;
    if (!packed && frame.type != FrameType::tree_piece) {
      after = std::move(frame);
      return {};
    }
    wire += kFrameHeader + frame.payload.size();
    if (packed) {
      auto piece = unpack(frame.payload, kMostPayload);
      if (!piece)
        return fail(ErrorCode::protocol, operation, wire_->peer(), "a packed piece cannot be unpacked");
      frame.payload = *std::move(piece);
    }
    TH_TRY(store.store(frame.payload, frame.sum));
  }
}

Status StreamChannel::skip_tree(std::string_view operation) {
  for (;;) {
    TH_ASSIGN(const Frame frame, next(std::nullopt, operation));
    if (frame.type == FrameType::tree_end || frame.type == FrameType::tree_failed) return {};
    if (frame.type != FrameType::tree_data && frame.type != FrameType::tree_packed &&
        frame.type != FrameType::tree_piece && frame.type != FrameType::tree_piece_packed)
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
