// The processes of a container on their way: pre-copy, freeze, dump (spec F3.15, models 6.8).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "runtime/container/context.h"
#include "runtime/container/dump.h"
#include "runtime/migrate/courier.h"
#include "runtime/migrate/precopy.h"

namespace twinhull::migrate {

/// How a migration went by the clock; what did not happen is 0.
struct Timing {
  Duration first_copy{0};  ///< of the private area, while it ran
  Duration rounds{0};      ///< of memory, while it ran
  Duration stop{0};        ///< or freeze and dump
  Duration last_copy{0};   ///< what had changed in the private area
  Duration images{0};      ///< copy of the dump
  Duration start{0};       ///< at the destination: from the commit to its answer
  Duration down{0};        ///< from the stop or the freeze to that answer
  Duration total{0};
  std::uint32_t round_count = 0;
  Pages precopied;
  Pages left;  ///< pages of the dump
  Bytes wire;  ///< everything
};

/// Moves the processes of one running container. What it makes at the source is one directory, the
/// unfinished dump, and the hold; abandon_online() takes both back.
class OnlineMove {
 public:
  OnlineMove(container::Context& context, CtId id, Courier& courier, Timing& timing);

  /// Rounds of memory while the container runs. Without dirty tracking none, or with `must` an
  /// error (exit 57). An end without reaching the goals is told, or with `must` an error.
  Status copy_memory(const PrecopyGoals& goals, bool must);
  /// From here on the processes stand still; their images are at the destination when it returns.
  /// `meanwhile` sends what the private area has got since, after the dump.
  Status move_state(const std::function<Status()>& meanwhile);

 private:
  [[nodiscard]] std::string dump() const;
  Result<PrecopyRound> round(std::size_t number, Instant before);
  Status slow_down(std::uint32_t times);
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

/// Sends what lies beside the images of a dump. Errors: exit 6.
Status send_state(Courier& courier, const container::DumpFacts& facts);

/// As before: the processes go on, the limits are the container's own, the images are gone. Can be
/// repeated.
Status abandon_online(container::Context& context, CtId id);

}  // namespace twinhull::migrate
