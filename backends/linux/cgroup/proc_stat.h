// What /proc/PID/stat tells of a process.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace twinhull::linux_backend {

/// Fields of /proc/PID/stat (proc(5)) that the backend uses.
struct ProcStat {
  char state = '?';
  std::int32_t parent = 0;
  std::int32_t session = 0;
  std::uint64_t start_time = 0;  ///< clock ticks since boot: the generation of a ProcessRef
  /// A zombie has ended, it only waits for its parent to ask.
  [[nodiscard]] bool dead() const { return state == 'Z' || state == 'X' || state == 'x'; }
};

/// Parses the file's text; std::nullopt when it is none. The command name may hold anything.
std::optional<ProcStat> parse_proc_stat(std::string_view text);

/// std::nullopt when there is no such process.
std::optional<ProcStat> read_proc_stat(std::int32_t pid);

}  // namespace twinhull::linux_backend
