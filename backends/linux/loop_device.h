// Loop devices.
#pragma once

#include <string>
#include <string_view>

#include "backends/linux/unique_fd.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// A loop device on a file. It is detached by the kernel when its last user (a descriptor, a mount)
/// is gone, so nothing leaks when this process dies.
struct LoopDevice {
  UniqueFd fd;
  std::string path;  ///< "/dev/loop3"
};

/// Attaches the regular file `image` to a free loop device.
/// Errors: not_found (the file), not_supported (no loop devices), those of the ioctls.
Result<LoopDevice> attach_loop(const std::string& image, std::string_view operation);

}  // namespace twinhull::linux_backend
