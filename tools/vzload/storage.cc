// Memory and disk loads.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "load.h"

namespace twinhull::load {
namespace {

constexpr std::uint64_t kChunk = 1 << 20;

std::string refusal(const std::string& what) { return what + ": " + std::strerror(errno); }

}  // namespace

Outcome run_memory(const MemoryLoad& load) {
  const double started = steady_seconds();
  std::uint64_t held = 0;
  while (held < load.grow) {
    const std::uint64_t size = std::min(kChunk, load.grow - held);
    void* area = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED)
      return std::unexpected(refusal("memory refused after " + std::to_string(held) + " bytes"));
    std::memset(area, 0x5a, size);
    held += size;
    pace(held, load.rate, started);
  }
  pace(1, 1, steady_seconds() - 1 + load.hold);
  return finish("memory", held, started);
}

Outcome run_write(const WriteLoad& load) {
  const double started = steady_seconds();
  const int file = open(load.file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return std::unexpected(refusal(load.file));
  const std::vector<char> block(64 << 10, 'v');
  std::uint64_t done = 0;
  while (done < load.bytes) {
    const auto size = std::min<std::uint64_t>(block.size(), load.bytes - done);
    const ssize_t count = write(file, block.data(), size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      const std::string text =
          refusal(load.file + ": refused after " + std::to_string(done) + " bytes");
      close(file);
      return std::unexpected(text);
    }
    done += static_cast<std::uint64_t>(count);
    pace(done, load.rate, started);
  }
  if (load.sync && fsync(file) != 0) {
    const std::string text = refusal(load.file + ": cannot sync");
    close(file);
    return std::unexpected(text);
  }
  if (close(file) != 0) return std::unexpected(refusal(load.file));
  return finish("write", done, started);
}

}  // namespace twinhull::load
