// Memory, disk and open file loads.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "load.h"

namespace twinhull::load {
namespace {

constexpr std::uint64_t kChunk = 1 << 20;

constexpr std::uint64_t kPage = 4096;

std::string refusal(const std::string& what) { return what + ": " + std::strerror(errno); }

/// Writes pages again and again, as fast as `load` says, until `end`.
void keep_dirty(const MemoryLoad& load, const std::vector<char*>& areas, double end) {
  const std::uint64_t pages = load.grow / kPage;
  const std::uint64_t hot = std::max<std::uint64_t>(1, pages / 10);
  std::uint64_t state = 0x9e3779b97f4a7c15, written = 0;
  const auto random = [&state](std::uint64_t below) {  // xorshift
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
  };
  const auto next = [&]() -> std::uint64_t {
    if (load.pattern == "sequential") return written % pages;
    if (load.pattern == "hot" && pages > hot)
      return written % 10 == 9 ? hot + random(pages - hot) : random(hot);
    return random(pages);
  };
  const double started = steady_seconds();
  while (steady_seconds() < end) {
    const std::uint64_t page = next();
    ++areas[page * kPage / kChunk][page * kPage % kChunk];
    ++written;
    // In slices: a sleep after each page would be all that it does.
    if (written % 16 == 0 || load.dirty < (16 * kPage) * 10)
      pace(written * kPage, load.dirty, started);
  }
}

/// What --verify has in 8 bytes of memory: no two words are alike, and none is zero.
std::uint64_t word_at(std::uint64_t offset) { return (offset + 8) * 0x9e3779b97f4a7c15U; }

void fill_words(char* area, std::uint64_t size, std::uint64_t offset) {
  for (std::uint64_t at = 0; at + 8 <= size; at += 8) {
    const std::uint64_t word = word_at(offset + at);
    std::memcpy(area + at, &word, 8);
  }
}

/// The first byte that is not as fill_words left it, std::nullopt when there is none.
std::optional<std::uint64_t> wrong_word(const char* area, std::uint64_t size, std::uint64_t offset) {
  for (std::uint64_t at = 0; at + 8 <= size; at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, area + at, 8);
    if (word != word_at(offset + at)) return offset + at;
  }
  return std::nullopt;
}

}  // namespace

Outcome run_memory(const MemoryLoad& load) {
  // By pages, on every kernel: where huge pages begin depends on where the kernel puts the areas, and
  // above a soft bound each charge is slowed down once, however large. Best effort.
  static_cast<void>(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
  const double started = steady_seconds();
  std::uint64_t held = 0;
  std::vector<char*> areas;
  while (held < load.grow) {
    const std::uint64_t size = std::min(kChunk, load.grow - held);
    void* area = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED)
      return std::unexpected(refusal("memory refused after " + std::to_string(held) + " bytes"));
    std::memset(area, 0x5a, size);
    if (load.verify) fill_words(static_cast<char*>(area), size, held);
    areas.push_back(static_cast<char*>(area));
    held += size;
    pace(held, load.rate, started);
  }
  if (load.dirty != 0) {
    keep_dirty(load, areas, steady_seconds() + load.hold);
    return finish("memory", held, started);
  }
  pace(1, 1, steady_seconds() - 1 + load.hold);
  for (std::size_t i = 0; load.verify && i < areas.size(); ++i) {
    const std::uint64_t offset = i * kChunk;
    if (const auto wrong = wrong_word(areas[i], std::min(kChunk, held - offset), offset))
      return std::unexpected("memory: byte " + std::to_string(*wrong) +
                             " is not what was written there");
  }
  return finish("memory", held, started);
}

namespace {

/// Memory that direct I/O takes.
class Block {
 public:
  explicit Block(std::uint64_t size)
      : memory_(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)),
        size_(size) {
    if (good()) std::memset(memory_, 'v', size);
  }
  ~Block() {
    if (good()) munmap(memory_, size_);
  }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  [[nodiscard]] bool good() const { return memory_ != MAP_FAILED; }
  [[nodiscard]] void* data() const { return memory_; }

 private:
  void* memory_;
  std::uint64_t size_;
};

struct Moved {
  std::uint64_t bytes = 0, operations = 0;
};

/// Moves blocks from the beginning of the file to `size`, until all is moved or the time is over.
template <typename Transfer>
std::expected<Moved, std::string> move_blocks(const std::string& file, std::uint64_t size,
                                              std::uint64_t block, std::uint64_t rate,
                                              std::optional<double> seconds, double started,
                                              const Transfer& transfer) {
  Moved moved;
  std::uint64_t at = 0;
  while (seconds ? steady_seconds() - started < *seconds : moved.bytes < size) {
    if (at >= size) at = 0;
    const ssize_t count = transfer(std::min(block, size - at), static_cast<off_t>(at));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0)
      return std::unexpected(
          refusal(file + ": refused after " + std::to_string(moved.bytes) + " bytes"));
    if (count == 0) {  // a file that is shorter than was asked for
      if (at == 0) return std::unexpected(file + ": it is empty");
      at = 0;
      continue;
    }
    at += static_cast<std::uint64_t>(count);
    moved.bytes += static_cast<std::uint64_t>(count);
    ++moved.operations;
    pace(moved.bytes, rate, started);
  }
  return moved;
}

}  // namespace

Outcome run_write(const WriteLoad& load) {
  const double started = steady_seconds();
  const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | (load.direct ? O_DIRECT : 0);
  const int file = open(load.file.c_str(), flags, 0644);
  if (file < 0) return std::unexpected(refusal(load.file));
  const Block block(load.block);
  if (!block.good()) return std::unexpected(refusal("no memory for a block"));
  const auto moved =
      move_blocks(load.file, load.bytes, load.block, load.rate, load.seconds, started,
                  [&](std::uint64_t size, off_t at) {
                    return pwrite(file, block.data(), size, at);
                  });
  if (!moved) {
    close(file);
    return std::unexpected(moved.error());
  }
  if (load.sync && fsync(file) != 0) {
    const std::string text = refusal(load.file + ": cannot sync");
    close(file);
    return std::unexpected(text);
  }
  if (close(file) != 0) return std::unexpected(refusal(load.file));
  Report report = finish("write", moved->bytes, started);
  if (load.direct) report.operations = moved->operations;
  return report;
}

Outcome run_read(const ReadLoad& load) {
  const double started = steady_seconds();
  const int file = open(load.file.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT);
  if (file < 0) return std::unexpected(refusal(load.file));
  struct stat facts {};
  const Block block(load.block);
  if (fstat(file, &facts) != 0 || !block.good()) {
    const std::string text = refusal(load.file);
    close(file);
    return std::unexpected(text);
  }
  const std::uint64_t size =
      load.bytes != 0 ? load.bytes : static_cast<std::uint64_t>(facts.st_size);
  if (facts.st_size == 0) {
    close(file);
    return std::unexpected(load.file + ": it is empty");
  }
  const auto moved = move_blocks(
      load.file, size, load.block, load.rate, load.seconds, started,
      [&](std::uint64_t length, off_t at) { return pread(file, block.data(), length, at); });
  close(file);
  if (!moved) return std::unexpected(moved.error());
  Report report = finish("read", moved->bytes, started);
  report.operations = moved->operations;
  return report;
}

Outcome run_files(const FilesLoad& load) {
  const double started = steady_seconds();
  // The root directory is there in each container, and nothing is written. They close at the end.
  for (std::uint64_t there = 0; there < load.count; ++there)
    if (open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC) < 0)
      return std::unexpected(refusal("refused after " + std::to_string(there) + " files"));
  pace(1, 1, steady_seconds() - 1 + load.hold);
  Report report = finish("files", 0, started);
  report.operations = load.count;
  return report;
}

}  // namespace twinhull::load
