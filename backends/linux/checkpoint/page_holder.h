// The process that stays with a container whose memory is on its way.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "backends/linux/checkpoint/page_protocol.h"
#include "backends/linux/unique_fd.h"
#include "runtime/kernel/processes.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// What a holder does.
struct HolderPlan {
  /// True: it runs `criu dump --lazy-pages` to its end, and answers requests from the memory of the
  /// frozen processes themselves. (criu's own page server would do that too, but it needs
  /// CAP_SYS_RESOURCE, traces every task meanwhile, and does not outlive a wrong request.) False: it runs
  /// `criu lazy-pages`, which fills memory in, and hands on what that asks for.
  bool gives = true;
  std::vector<std::string> criu;  ///< words, without the descriptors that the holder adds
  CriuWire wire = CriuWire::wide;  ///< what this criu speaks
  std::string images;             ///< of the dump, absolute
  std::string dump;               ///< the dump's name: both ends must be of the same
  std::string socket;             ///< where it listens at first
  /// Source: the container's init, the processes now in its groups, and whether they stand still.
  ProcessRef init = {};
  std::function<Result<std::vector<ProcessRef>>()> members = {};
  std::function<bool()> frozen = {};
  /// Destination: ends all processes of the container and waits until they are gone; with `restoring`
  /// also the criu that restores them.
  std::function<void(bool restoring)> end_group = {};
};

/// A holder whose criu is ready, and which belongs to nobody yet: unless it is adopted it ends what it
/// has begun (and on the destination the container) when this goes out of scope.
class NewHolder {
 public:
  explicit NewHolder(UniqueFd owner) : owner_(std::move(owner)) {}
  NewHolder(NewHolder&&) = default;
  NewHolder& operator=(NewHolder&&) = delete;
  ~NewHolder();
  /// From now on it lives as long as `init`, or until all memory has moved, and listens at `socket`.
  /// Errors: failed (it is gone).
  Status adopt(ProcessRef init, const std::string& socket, std::string_view operation);

 private:
  UniqueFd owner_;
};

/// Starts a holder, which outlives this process, and waits until its criu is ready. Errors: failed
/// (criu ended before: its log tells why), those of the calls.
Result<NewHolder> start_holder(const HolderPlan& plan, std::string_view operation);

}  // namespace twinhull::linux_backend
