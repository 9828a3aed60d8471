#include "backends/linux/io.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "backends/linux/errno_error.h"
#include "backends/linux/unique_fd.h"

namespace twinhull::linux_backend {

Result<std::string> read_to_end(int fd, Bytes most, std::string_view operation,
                                std::string_view object) {
  std::string content;
  std::array<char, 65536> buffer;
  for (;;) {
    const ssize_t count = ::read(fd, buffer.data(), buffer.size());
    if (count == 0) return content;
    if (count < 0) {
      if (errno == EINTR) continue;
      return system_error(operation, object, errno, "cannot read");
    }
    content.append(buffer.data(), static_cast<std::size_t>(count));
    if (content.size() > most.value) {
      return fail(ErrorCode::limit_exceeded, operation, object, "larger than may be read")
          .with_amounts(std::nullopt, std::nullopt, most.value);
    }
  }
}

Status write_fully(int fd, std::string_view data, std::string_view operation,
                   std::string_view object) {
  while (!data.empty()) {
    const ssize_t count = ::write(fd, data.data(), data.size());
    if (count < 0) {
      if (errno == EINTR) continue;
      return system_error(operation, object, errno, "cannot write");
    }
    data.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

Result<std::string> read_kernel_file(const std::string& path, std::string_view operation) {
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return system_error(operation, path, errno, "cannot open");
  return read_to_end(file.get(), Bytes{16 << 20}, operation, path);
}

Status write_kernel_file(const std::string& path, std::string_view value,
                         std::string_view operation) {
  UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file) return system_error(operation, path, errno, "cannot open");
  ssize_t count = 0;
  do {
    count = ::write(file.get(), value.data(), value.size());
  } while (count < 0 && errno == EINTR);
  if (count < 0) {
    return system_error(operation, path, errno, "cannot write \"" + std::string(value) + "\"");
  }
  return {};
}

}  // namespace twinhull::linux_backend
