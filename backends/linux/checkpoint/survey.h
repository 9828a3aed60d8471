// What a running container would be like to dump, from /proc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/kernel/checkpoints.h"
#include "runtime/kernel/processes.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// Why CRIU refuses a descriptor whose link in /proc/PID/fd says `target`; empty when it does not.
/// Known: devices other than those that every container has, and anonymous inodes that CRIU has no
/// image for (io_uring, perf events, BPF, KVM, userfaultfd).
std::string descriptor_hindrance(std::string_view target);

/// Mounts in a text of /proc/PID/mountinfo of kinds that CRIU cannot make again: of network and user
/// file systems, and of disks of the node. Errors: corrupt.
Result<std::vector<Hindrance>> mount_hindrances(std::string_view mountinfo);

/// Adds one process to the survey: its descriptors, its memory. One that ends meanwhile counts for
/// nothing.
void survey_process(std::int32_t pid, Survey& survey);

/// Lets the kernel forget which pages of the process were written to (/proc/PID/clear_refs, 4).
void clear_soft_dirty(std::int32_t pid);
/// Pages that were since (bit 55 of /proc/PID/pagemap).
Pages count_soft_dirty(std::int32_t pid);

}  // namespace twinhull::linux_backend
