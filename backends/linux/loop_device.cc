#include "backends/linux/loop_device.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>

#include "backends/linux/errno_error.h"

namespace twinhull::linux_backend {

Result<LoopDevice> attach_loop(const std::string& image, std::string_view operation) {
  UniqueFd file(::open(image.c_str(), O_RDWR | O_CLOEXEC));
  if (!file) return system_error(operation, image, errno, "cannot open the image");
  UniqueFd control(::open("/dev/loop-control", O_RDWR | O_CLOEXEC));
  if (!control) {
    return system_error(ErrorCode::not_supported, operation, "/dev/loop-control", errno,
                        "this kernel has no loop devices (CONFIG_BLK_DEV_LOOP)");
  }
  constexpr int kTries = 64;
  for (int attempt = 0; attempt < kTries; ++attempt) {
    const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) return system_error(operation, image, errno, "cannot get a loop device");
    LoopDevice device;
    device.path = "/dev/loop" + std::to_string(number);
    device.fd.reset(::open(device.path.c_str(), O_RDWR | O_CLOEXEC));
    if (!device.fd) return system_error(operation, device.path, errno, "cannot open");
    loop_config config{};
    config.fd = static_cast<std::uint32_t>(file.get());
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    const auto length = std::min(image.size(), sizeof config.info.lo_file_name - 1);
    std::copy_n(image.data(), length, config.info.lo_file_name);  // shown by losetup
    if (::ioctl(device.fd.get(), LOOP_CONFIGURE, &config) == 0) return device;
    // EBUSY: somebody else took it between the two calls.
    if (errno != EBUSY) return system_error(operation, image, errno, "cannot attach the image");
  }
  return fail(ErrorCode::busy, operation, image, "no loop device stayed free");
}

}  // namespace twinhull::linux_backend
