// Containers whose root is an ordinary user on the node.
#pragma once

#include <sys/types.h>

#include <string>

#include "backends/linux/unique_fd.h"
#include "runtime/kernel/processes.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// Writes /proc/PID/uid_map and gid_map: inside 0…count-1 = outside base…base+count-1.
Status write_id_maps(pid_t pid, const IdMapping& mapping, const std::string& object);

/// The root as the mapped users need it: an empty descriptor when its owner is one of them, else a
/// detached mount of it that maps its owners by the user namespace of `pid` (mount_setattr(2)).
/// Errors: not_supported (the file system has no idmapped mounts; overlay has none).
Result<UniqueFd> map_root(const std::string& root, const IdMapping& mapping, pid_t pid,
                          const std::string& object);

}  // namespace twinhull::linux_backend
