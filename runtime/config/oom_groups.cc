#include "runtime/config/oom_groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "runtime/config/whole_number.h"
#include "runtime/kernel/files.h"

namespace twinhull {
namespace {

constexpr int kExitCode = 85;

/// The words before a comment.
std::vector<std::string_view> words_of(std::string_view line) {
  constexpr std::string_view kBlanks = " \t\r";
  std::vector<std::string_view> words;
  for (std::size_t at = line.find_first_not_of(kBlanks); at != std::string_view::npos;
       at = line.find_first_not_of(kBlanks, at)) {
    const std::size_t end = std::min(line.find_first_of(kBlanks, at), line.size());
    if (line[at] == '#') break;
    words.push_back(line.substr(at, end - at));
    at = end;
  }
  return words;
}

std::optional<std::int64_t> number_in(std::string_view word, std::int64_t least,
                                      std::int64_t most) {
  const auto value = whole_number<std::int64_t>(word);
  return value && *value >= least && *value <= most ? value : std::nullopt;
}

bool fits(std::string_view mask, std::string_view name) {
  if (mask.ends_with('*')) return name.starts_with(mask.substr(0, mask.size() - 1));
  // Kernels keep 15 bytes of a name.
  constexpr std::size_t kLongest = 15;
  return mask.substr(0, kLongest) == name.substr(0, kLongest);
}

bool fits(std::int64_t filter, std::uint32_t uid) {
  if (filter == -1) return true;
  return filter >= 0 ? std::int64_t{uid} == filter : std::int64_t{uid} < -filter;
}

/// One line; the error holds the cause alone.
std::expected<OomGroup, std::string> parse_line(const std::vector<std::string_view>& words) {
  constexpr std::int64_t kMostUid = 4294967294;
  if (words.size() != 4) {
    return std::unexpected(
        fmt::format("it has {} words instead of 4: COMMAND PARENT UID ADJ", words.size()));
  }
  for (const std::string_view mask : {words[0], words[1]}) {
    if (mask.find('*') < mask.size() - 1) {
      return std::unexpected(fmt::format("in the mask \"{}\" a * stands before the end", mask));
    }
  }
  const auto uid = number_in(words[2], -kMostUid, kMostUid);
  if (!uid) {
    return std::unexpected(fmt::format(
        "\"{}\" is no user filter: -1 (any), a user id, or minus an id (lower ones)", words[2]));
  }
  const auto adjust = number_in(words[3], kLeastOomAdjust, kMostOomAdjust);
  if (!adjust) {
    return std::unexpected(fmt::format("\"{}\" is no adjustment: a number from {} to {}", words[3],
                                       kLeastOomAdjust, kMostOomAdjust));
  }
  return OomGroup{std::string(words[0]), std::string(words[1]), *uid,
                  static_cast<std::int32_t>(*adjust)};
}

}  // namespace

Result<std::vector<OomGroup>> parse_oom_groups(std::string_view text, std::string_view path) {
  std::vector<OomGroup> groups;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const auto words = words_of(text.substr(0, end));
    text.remove_prefix(std::min(text.size(), end + 1));
    if (words.empty()) continue;
    auto group = parse_line(words);
    if (!group) {
      return fail(ErrorCode::corrupt, "config.oom_groups", fmt::format("{} line {}", path, number),
                  group.error())
          .with_exit_code(kExitCode)
          .with_hint("for example: mysqld * -1 -500");
    }
    groups.push_back(std::move(*group));
  }
  return groups;
}

Result<std::vector<OomGroup>> load_oom_groups(Kernel& kernel, const Layout& layout) {
  const std::string path = layout.oom_groups();
  const Result<std::string> text = kernel.files().read(path);
  if (text) return parse_oom_groups(*text, path);
  if (text.error().code == ErrorCode::not_found) return std::vector<OomGroup>{};
  return text.error();
}

const OomGroup* find_oom_group(const std::vector<OomGroup>& groups, const ProcessFacts& process) {
  const auto found = std::find_if(groups.begin(), groups.end(), [&](const OomGroup& group) {
    return fits(group.command, process.name) && fits(group.parent, process.parent) &&
           fits(group.uid, process.uid);
  });
  return found == groups.end() ? nullptr : &*found;
}

}  // namespace twinhull
