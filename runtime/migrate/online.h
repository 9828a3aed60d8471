// The processes of a container on their way: pre-copy, freeze, dump (spec F3.15, models 6.8).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "runtime/container/context.h"
#include "runtime/container/dump.h"
#include "runtime/container/resume.h"
#include "runtime/migrate/courier.h"
#include "runtime/migrate/precopy.h"
#include "runtime/migrate/timing.h"

namespace twinhull::migrate {

/// Moves the processes of one running container. What it makes at the source is one directory, the
/// unfinished dump, and the hold; abandon_online() takes both back.
class OnlineMove {
 public:
  OnlineMove(container::Context& context, CtId id, Courier& courier, Timing& timing);

  /// Rounds of memory while the container runs. Without dirty tracking none, or with `must` an
  /// error (exit 57). An end without reaching the goals is told, or with `must` an error. `lazy`: what
  /// is left then keeps nobody frozen, so neither matters.
  Status copy_memory(const PrecopyGoals& goals, bool must, bool lazy);
  /// From here on the processes stand still; their images are at the destination when it returns.
  /// `last_copy` sends what the private area has got since, before the dump: what it makes durable
  /// there does not wait for images then.
  /// `lazy`: memory is held back here, to follow (page_phase.h).
  Status move_state(bool lazy, const std::function<Status()>& last_copy);

 private:
  [[nodiscard]] std::string dump() const;
  Result<PrecopyRound> round(std::size_t number, Instant before);
  Status slow_down(std::uint32_t times);
  /// One try of the dump. Unless memory is held back the images cross while they are written.
  Result<container::HeldDump> dump_once(bool lazy, const std::function<Status()>& last_copy);
  Status send_images(const std::string& name, const std::string& path, Bytes& wire);
  template <typename Call>
  auto patiently(const Call& call) -> decltype(call());

  container::Context& context_;
  const CtId id_;
  Courier& courier_;
  Timing& timing_;
  std::string parent_;  ///< images of the last round
  bool slowed_ = false;
};

/// Sends what lies beside the images of a dump. `passing`: the images are not durable, so they are
/// worth nothing when that node goes down before it has resumed them. Errors: exit 6.
Status send_state(Courier& courier, const container::DumpFacts& facts, bool passing);

/// As before: the processes go on, the limits are the container's own, the images are gone. Can be
/// repeated. `lazy`: memory may be held back.
Status abandon_online(container::Context& context, CtId id, bool lazy);

}  // namespace twinhull::migrate
