#include "backends/linux/cgroup/proc_stat.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <charconv>

#include "backends/linux/unique_fd.h"

namespace twinhull::linux_backend {
namespace {

template <typename Number>
bool parse_number(std::string_view text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size();
}

}  // namespace

std::optional<ProcStat> parse_proc_stat(std::string_view text) {
  // Field 2 is the command in brackets; it may hold blanks and brackets itself.
  const auto bracket = text.rfind(')');
  if (bracket == std::string_view::npos || bracket + 2 >= text.size()) return std::nullopt;
  text.remove_prefix(bracket + 2);
  ProcStat stat;
  constexpr int kState = 3, kParent = 4, kSession = 6, kStartTime = 22;
  for (int field = kState; !text.empty(); ++field) {
    const auto word = text.substr(0, text.find(' '));
    bool good = true;
    if (field == kState) {
      stat.state = word.empty() ? '?' : word.front();
    } else if (field == kParent) {
      good = parse_number(word, stat.parent);
    } else if (field == kSession) {
      good = parse_number(word, stat.session);
    } else if (field == kStartTime) {
      if (!parse_number(word, stat.start_time)) return std::nullopt;
      return stat;
    }
    if (!good || word.size() + 1 > text.size()) return std::nullopt;
    text.remove_prefix(word.size() + 1);
  }
  return std::nullopt;
}

std::optional<ProcStat> read_proc_stat(std::int32_t pid) {
  if (pid <= 0) return std::nullopt;
  std::array<char, 32> path{};
  fmt::format_to_n(path.data(), path.size() - 1, "/proc/{}/stat", pid);
  const UniqueFd file(::open(path.data(), O_RDONLY | O_CLOEXEC));
  if (!file) return std::nullopt;
  std::array<char, 1024> text{};
  const ssize_t got = ::read(file.get(), text.data(), text.size());
  if (got <= 0) return std::nullopt;
  return parse_proc_stat({text.data(), static_cast<std::size_t>(got)});
}

}  // namespace twinhull::linux_backend
