// System calls that endanger the node, as a BPF filter.
#pragma once

#include <linux/filter.h>

#include <vector>

#include "runtime/kernel/processes.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// Filter program for a container with these capabilities, made by libseccomp.
///
/// It lets everything pass that is not on a list of dangerous calls; the usual profiles list what
/// is allowed instead. Reasons: a container here is a whole system with its own init, whose
/// programs use the rare calls too, and a call that the list of an old release does not know
/// breaks a new distribution in a way that nobody understands. What is gained by listing allowed
/// calls, safety from calls that are not known yet, is had in another way: numbers above the last
/// call known to this release answer ENOSYS, as on an older kernel. The filter is short (about
/// 0.2 ms to make, each call passes some 60 instructions at most and the kernel caches the plain
/// "allow" answers).
///
/// Refused calls give EPERM; clone3 gives ENOSYS where new user namespaces are refused, for its
/// arguments cannot be seen by a filter and the C library then falls back to clone.
/// Architectures: x86-64 and i386; x32 is refused. Errors: not_supported, no_memory.
///
/// Without a user namespace of its own (`own_users` false) the container's root may give files
/// another project id, or take a directory's inheritance of it away, and so leave the disk quota of
/// its tree: a filter cannot see which flags are set, so FS_IOC_FSSETXATTR and FS_IOC_SETFLAGS
/// (chattr) answer EOPNOTSUPP altogether, as on a file system without attributes. In a user
/// namespace the kernel itself refuses changes of projects.
Result<std::vector<sock_filter>> make_seccomp_filter(CapabilitySet capabilities, bool own_users);

}  // namespace twinhull::linux_backend
