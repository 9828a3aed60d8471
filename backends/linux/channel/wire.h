// Frames over descriptors.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "backends/linux/channel/frame.h"
#include "backends/linux/unique_fd.h"
#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull::linux_backend {

/// CLOCK_MONOTONIC, for deadlines.
Duration steady_now();

/// Two descriptors that carry frames, and a third on which the peer's program complains. It reads
/// while it waits to write, so that two ends that both send do not block each other.
class Wire {
 public:
  /// `complaints` may be empty. `stop`: see NodeOptions::stop. The descriptors become non-blocking.
  Wire(UniqueFd in, UniqueFd out, UniqueFd complaints, std::atomic<bool>* stop, std::string peer);

  /// From now on every byte that is sent is added to `sent`, which outlives the wire; nullptr = none.
  void count_into(std::atomic<std::uint64_t>* sent) { sent_ = sent; }
  /// Writes one frame, however long that takes. Errors: connection_lost, interrupted (a part of the
  /// frame may be out: the channel is of no more use).
  Status send(FrameType type, std::string_view payload, std::string_view operation) {
    return send(type, payload, frame_checksum(type, payload), operation);
  }
  /// The same for a payload whose checksum is known.
  Status send(FrameType type, std::string_view payload, std::uint64_t sum, std::string_view operation);
  /// Next frame within `timeout` (std::nullopt = no limit). Errors: timed_out, connection_lost,
  /// protocol, corrupt, interrupted.
  Result<Frame> receive(std::optional<Duration> timeout, std::string_view operation);
  /// A frame that is here already.
  Result<std::optional<Frame>> take(std::string_view operation);
  /// Waits until `deadline` and reads meanwhile. Errors: interrupted.
  Status wait_until(Duration deadline, std::string_view operation);

  /// Closes both directions.
  void shut();
  /// Reads what the peer's program still says, until it closes its stream or `deadline` comes.
  void drain_complaints(Duration deadline);
  /// Last line that the peer's program wrote to its error stream; empty when it wrote none.
  [[nodiscard]] std::string complaint() const;
  [[nodiscard]] const std::string& peer() const { return peer_; }

 private:
  enum class Wish { read, write, none };
  /// Waits until what is wished may be possible, and reads what is there. Errors: interrupted.
  Status turn(Wish wish, Duration at_most, std::string_view operation);
  Status read_some(std::string_view operation);
  void read_complaints();
  [[nodiscard]] Error lost(std::string_view operation) const;
  [[nodiscard]] bool stopped() const;

  UniqueFd in_;
  UniqueFd out_;
  UniqueFd complaints_;
  std::atomic<bool>* const stop_;
  const std::string peer_;
  std::atomic<std::uint64_t>* sent_ = nullptr;
  FrameParser parser_;
  bool ended_ = false;  ///< the peer's side of the stream is at its end
  std::string said_;    ///< end of what came through complaints_
};

}  // namespace twinhull::linux_backend
