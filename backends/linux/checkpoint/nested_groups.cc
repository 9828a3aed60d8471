#include "backends/linux/checkpoint/nested_groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "backends/linux/process/small_file.h"

namespace twinhull::linux_backend {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMost = 4096;
constexpr const char* kHandedDown = "/cgroup.subtree_control";
/// What an init system writes (kernel document cgroup-v2): limits and weights.
constexpr std::string_view kSettings[] = {
    "cpu.max",    "cpu.weight", "cpuset.cpus", "io.weight",       "memory.high",
    "memory.low", "memory.max", "memory.min",  "memory.swap.max", "pids.max"};

/// First line of a kernel file; empty = there is none, or it is empty.
std::string line_of(const std::string& path) {
  const auto text = read_small_file(path);
  return text ? text->substr(0, text->find('\n')) : std::string();
}

NestedGroup read_group(const std::string& directory, const std::string& path) {
  NestedGroup group{path, {}, line_of(directory + kHandedDown)};
  // Those of the container's own group are the caller's.
  if (path.empty()) return group;
  for (const std::string_view file : kSettings) {
    std::string value = line_of(fmt::format("{}/{}", directory, file));
    if (!value.empty()) group.settings.push_back({std::string(file), std::move(value)});
  }
  return group;
}

Status collect(const std::string& top, const std::string& path, std::string_view operation,
               std::vector<NestedGroup>& groups) {
  const std::string directory = path.empty() ? top : top + "/" + path;
  if (groups.size() == kMost)
    return fail(ErrorCode::limit_exceeded, operation, top,
                fmt::format("it has more than {} control groups below its own", kMost));
  groups.push_back(read_group(directory, path));
  std::vector<std::string> children;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error))
    if (entry.is_directory(error)) children.push_back(entry.path().filename().string());
  std::sort(children.begin(), children.end());
  for (const std::string& child : children)
    TH_TRY(collect(top, path.empty() ? child : path + "/" + child, operation, groups));
  return {};
}

/// One word of a shell.
std::string shell_word(std::string_view text) {
  std::string word = "'";
  for (const char letter : text)
    word += letter == '\'' ? std::string(R"('\'')") : std::string(1, letter);
  return word + "'";
}

bool leads_out(std::string_view path) {
  return path.starts_with('/') || path == ".." || path.starts_with("../") ||
         path.ends_with("/..") || path.find("/../") != std::string_view::npos;
}

}  // namespace

Result<std::vector<NestedGroup>> read_nested_groups(const std::string& top,
                                                    std::string_view operation) {
  std::vector<NestedGroup> groups;
  std::error_code error;
  if (!fs::exists(top + kHandedDown, error)) return groups;
  TH_TRY(collect(top, "", operation, groups));
  return groups;
}

Result<std::string> nested_script(const std::string& top, const std::vector<NestedGroup>& groups,
                                  std::string_view operation) {
  std::string script =
      "#!/bin/sh\n[ \"$CRTOOLS_SCRIPT_ACTION\" = post-setup-namespaces ] || exit 0\n";
  for (const NestedGroup& group : groups) {
    if (leads_out(group.path))
      return fail(ErrorCode::corrupt, operation, group.path, "is no group below the container's");
    const std::string directory = group.path.empty() ? top : top + "/" + group.path;
    script += "mkdir -p " + shell_word(directory) + " || exit 1\n";
    for (const NestedGroup::Setting& setting : group.settings)
      script += fmt::format("echo {} 2>/dev/null >{} || true\n", shell_word(setting.value),
                            shell_word(directory + "/" + setting.file));
    std::string wish;
    for (std::size_t at = 0; at < group.controllers.size();) {
      const std::size_t end = std::min(group.controllers.find(' ', at), group.controllers.size());
      if (end > at) wish += " +" + group.controllers.substr(at, end - at);
      at = end + 1;
    }
    if (!wish.empty())
      script += fmt::format("echo {} >{} || exit 1\n", shell_word(wish), shell_word(directory + kHandedDown));
  }
  return script + "exit 0\n";
}

std::string nested_text(const std::vector<NestedGroup>& groups) {
  std::string text;
  for (const NestedGroup& group : groups) {
    text += fmt::format("nested {}\n", group.path);
    for (const NestedGroup::Setting& setting : group.settings)
      text += fmt::format("nested-set {} {}\n", setting.file, setting.value);
    if (!group.controllers.empty()) text += fmt::format("nested-hands {}\n", group.controllers);
  }
  return text;
}

bool parse_nested_line(std::string_view line, std::vector<NestedGroup>& groups) {
  const std::size_t blank = line.find(' ');
  if (!line.starts_with("nested") || blank == std::string_view::npos) return false;
  const std::string_view key = line.substr(0, blank);
  const std::string_view rest = line.substr(blank + 1);
  if (key == "nested") {
    groups.push_back({std::string(rest), {}, {}});
    return true;
  }
  if (groups.empty()) return false;
  if (key == "nested-hands") {
    groups.back().controllers = rest;
    return true;
  }
  const std::size_t end = rest.find(' ');
  const std::string_view file = rest.substr(0, end);
  const bool known = std::find(std::begin(kSettings), std::end(kSettings), file) !=
                     std::end(kSettings);
  if (key != "nested-set" || end == std::string_view::npos || !known) return false;
  groups.back().settings.push_back({std::string(file), std::string(rest.substr(end + 1))});
  return true;
}

}  // namespace twinhull::linux_backend
