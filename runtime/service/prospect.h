// What the node's start and shutdown are going to do with each container (spec R11, the vz service).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/container/context.h"

namespace twinhull::service {

enum class AtStart : std::uint8_t { nothing, start, resume };
enum class AtStop : std::uint8_t { nothing, suspend, stop, umount };
std::string_view to_string(AtStart action);
std::string_view to_string(AtStop action);

struct Prospect {
  CtId id;
  std::string name;
  std::string status;  ///< as State::word
  std::optional<bool> onboot;
  std::optional<std::uint64_t> bootorder;
  std::optional<std::string> autostop;
  bool disabled = false;
  bool comes_back = false;  ///< the node's next start brings it up, or finds it up
  AtStart at_start = AtStart::nothing;
  AtStop at_stop = AtStop::nothing;
  /// Its configuration cannot be read, or it runs without one: nothing above but id, status and
  /// at_stop is known.
  std::optional<Error> trouble;
};

/// All containers in the order in which they are started: BOOTORDER descending, those without one
/// last, and by number. Shutdown takes them from the end. Started are those with ONBOOT=yes, and
/// those without ONBOOT that were up; of these the suspended ones are resumed, and disabled ones are
/// left alone. Errors: those of the ports; the trouble of one container is in its Prospect.
Result<std::vector<Prospect>> look_ahead(container::Context& context);

/// Whether the node's shutdown suspends it: VE_STOP_MODE, else AUTOSTOP, else yes.
bool suspends_at_stop(const NodeConfig& node, const CtSettings& settings);

}  // namespace twinhull::service
