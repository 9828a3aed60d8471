#include "backends/linux/link/sysctl.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "backends/linux/errno_error.h"
#include "backends/linux/process/small_file.h"
#include "backends/linux/unique_fd.h"

namespace twinhull::linux_backend {
namespace {

std::string path_of(const std::string& name) {
  return "/proc/sys/" + name;
}

}  // namespace

bool has_sysctl(const std::string& name) {
  return ::access(path_of(name).c_str(), F_OK) == 0;
}

Status set_sysctl(std::string_view operation, const std::string& name, std::string_view value) {
  const auto path = path_of(name);
  if (const auto now = read_small_file(path); now && *now == std::string(value) + '\n') return {};
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file || ::write(file.get(), value.data(), value.size()) < 0) {
    const auto code = errno == ENOENT ? ErrorCode::not_supported : code_of(errno);
    return system_error(code, operation, path, errno, "cannot set it to " + std::string(value));
  }
  return {};
}

}  // namespace twinhull::linux_backend
