#include "backends/linux/process/small_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "backends/linux/unique_fd.h"

namespace twinhull::linux_backend {

std::optional<std::string> read_small_file(const std::string& path) {
  constexpr std::size_t kMost = std::size_t{64} << 10;
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return std::nullopt;
  std::string text;
  std::array<char, 4096> buffer{};
  while (text.size() < kMost) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    if (got == 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return text;
}

}  // namespace twinhull::linux_backend
