#include "tools/common/process_companions.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace twinhull::tools {
namespace {

constexpr const char* kVariable = "TWINHULL_SENT";
using Counter = std::atomic<std::uint64_t>;
static_assert(Counter::is_always_lock_free && sizeof(Counter) == 8);

}  // namespace

SharedCounter::SharedCounter(int file) : file_(file) {
  struct stat info = {};
  if (file_ < 0 || ::fstat(file_, &info) != 0 || info.st_size != sizeof(Counter)) return;
  void* place = ::mmap(nullptr, sizeof(Counter), PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0);
  if (place != MAP_FAILED) value_ = static_cast<Counter*>(place);
}

SharedCounter::SharedCounter(SharedCounter&& other) noexcept
    : file_(std::exchange(other.file_, -1)), value_(std::exchange(other.value_, nullptr)) {}

SharedCounter::~SharedCounter() {
  if (value_ != nullptr) ::munmap(value_, sizeof(Counter));
  if (file_ >= 0) ::close(file_);
}

Result<SharedCounter> SharedCounter::make() {
  const int file = ::memfd_create("th-sent", MFD_CLOEXEC);
  if (file >= 0 && ::ftruncate(file, sizeof(Counter)) == 0) {
    SharedCounter made(file);
    if (made.value_ != nullptr) return made;
    return fail(ErrorCode::limit_exceeded, "companions.start", "counter", "cannot be mapped");
  }
  const int problem = errno;
  if (file >= 0) ::close(file);
  return fail(ErrorCode::limit_exceeded, "companions.start", "counter", std::strerror(problem));
}

SharedCounter SharedCounter::of_environment() {
  const char* path = std::getenv(kVariable);
  return SharedCounter(path == nullptr ? -1 : ::open(path, O_RDWR | O_CLOEXEC));
}

std::string SharedCounter::variable() const {
  return std::string(kVariable) + "=/proc/" + std::to_string(::getpid()) + "/fd/" +
         std::to_string(file_);
}

Result<std::size_t> ProcessCompanions::start(const std::vector<std::string>& argv) {
  std::vector<std::string> words{"/proc/self/exe"};
  words.insert(words.end(), options_.begin(), options_.end());
  words.insert(words.end(), argv.begin() + 1, argv.end());
  TH_ASSIGN(SharedCounter counter, SharedCounter::make());
  TH_ASSIGN(ChildProcess process, ChildProcess::start(words, {counter.variable()}, ""));
  started_.push_back(std::make_unique<Started>(std::move(process), std::move(counter)));
  return started_.size() - 1;
}

Companions::News ProcessCompanions::look(std::size_t companion) {
  Started& started = *started_[companion];
  News news;
  news.exit_code = started.process.poll();  // first: what it says last is there then
  const std::string out = started.process.out();
  const std::string error = started.process.error();
  news.out = out.substr(std::min(started.out, out.size()));
  news.error = error.substr(std::min(started.error, error.size()));
  started.out = out.size();
  started.error = error.size();
  news.sent = Bytes{started.counter.value()->load(std::memory_order_relaxed)};
  return news;
}

void ProcessCompanions::interrupt(std::size_t companion) {
  started_[companion]->process.signal(SIGINT);
}

}  // namespace twinhull::tools
