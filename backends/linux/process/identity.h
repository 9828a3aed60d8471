// Processes as number and generation.
#pragma once

#include <cstdint>
#include <optional>

#include "backends/linux/unique_fd.h"
#include "runtime/kernel/processes.h"

namespace twinhull::linux_backend {

/// The process with this number, std::nullopt when there is none or it is a zombie.
std::optional<ProcessRef> process_of(std::int32_t pid);
/// Whether exactly this process lives.
bool is_live(const ProcessRef& process);
/// A pidfd of exactly this process; empty when it is gone (a zombie counts as gone).
UniqueFd open_process(const ProcessRef& process);
/// Number of the kernel for a signal of the seam.
int signal_number(Signal signal);
/// Time since boot of a start time in clock ticks.
Instant instant_of_ticks(std::uint64_t ticks);

}  // namespace twinhull::linux_backend
