// A small root tree for containers.
#pragma once

#include <string>

#include "runtime/kernel/result.h"

namespace twinhull::linux_backend::testing {

/// Makes a root tree at `path` (whose parent exists) from the machine's static busybox: real
/// directories, a symbolic link for each applet in /bin, busybox as /sbin/init with an inittab, and
/// /usr/bin/vzload when it was built. Boots in milliseconds; USR2 or TERM ends its init.
/// Errors: not_supported (no busybox), exists.
Status make_busybox_root(const std::string& path);

}  // namespace twinhull::linux_backend::testing
