// How a migration goes, and how it went.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/kernel/units.h"

namespace twinhull::migrate {

/// How a migration went by the clock; what did not happen is 0.
struct Timing {
  Duration first_copy{0};  ///< of the private area, while it ran
  Duration rounds{0};      ///< of memory, while it ran
  Duration stop{0};        ///< or freeze and dump
  Duration last_copy{0};   ///< what had changed in the private area
  Duration images{0};      ///< copy of the dump, when it is not sent while it is written
  Duration start{0};       ///< at the destination: from the commit to its answer
  Duration down{0};        ///< from the stop or the freeze to that answer
  Duration pages{0};       ///< memory that followed (--lazy)
  Duration total{0};
  std::uint32_t round_count = 0;
  Pages precopied;
  Pages left;    ///< pages of the dump
  Pages behind;  ///< held back by it
  Pages followed;
  Pages awaited;  ///< of those, while a process waited for them
  Bytes wire;  ///< everything
};

/// The lines of the table that -t shows (spec F3.15).
std::vector<std::string> timing_lines(CtId id, const Timing& timing, bool online);

/// What a migration is about.
enum class MoveStage : std::uint8_t {
  check,          ///< connecting, and asking what stands in the way
  copy_template,  ///< which the destination lacks
  copy_area,      ///< the private area, the first time
  copy_memory,    ///< in rounds
  stop,           ///< or freeze and dump; and what has changed since
  start,          ///< at the destination, from the commit on
  pages,          ///< memory that follows it (--lazy)
};
std::string_view to_string(MoveStage stage);

/// Who watches a migration. Called between its parts, by the command that moves.
class MoveWatcher {
 public:
  virtual ~MoveWatcher() = default;
  /// A part begins; about `expected` bytes will be sent in it, 0 = nobody knows.
  virtual void begins(MoveStage stage, Bytes expected) = 0;
  /// It has moved.
  virtual void moved(const Timing& timing, bool online) = 0;
};

}  // namespace twinhull::migrate
