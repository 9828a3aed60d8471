#include "backends/linux/cgroup/group_base.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <utility>

#include "backends/linux/errno_error.h"

namespace twinhull::linux_backend {
namespace {

constexpr std::uint64_t kLeastShares = 2, kMostShares = 262144, kMostWeight = 10000;

bool valid_component(std::string_view name) {
  constexpr std::size_t kLongest = 64;
  if (name.empty() || name.size() > kLongest || name == "." || name == "..") return false;
  return std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '.' || c == '_' || c == '-';
  });
}

std::string_view first_line(std::string_view text) { return text.substr(0, text.find('\n')); }

}  // namespace

bool valid_group_path(std::string_view path) {
  constexpr int kDeepest = 8;
  for (int depth = 1; depth <= kDeepest; ++depth) {
    const auto slash = path.find('/');
    if (!valid_component(path.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
  return false;
}

std::uint64_t weight_of(CpuShares shares) {
  const auto value = std::clamp(shares.value, kLeastShares, kMostShares);
  // To the nearest: the usual 1024 comes back as 1024, and no group gets a whole step too little.
  constexpr auto kRange = kMostShares - kLeastShares;
  return 1 + ((value - kLeastShares) * (kMostWeight - 1) + kRange / 2) / kRange;
}

CpuShares shares_of(std::uint64_t weight) {
  const auto value = std::clamp<std::uint64_t>(weight, 1, kMostWeight);
  return {kLeastShares + (value - 1) * (kMostShares - kLeastShares) / (kMostWeight - 1)};
}

std::optional<std::uint64_t> keyed_value(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const auto line = first_line(text);
    if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == ' ') {
      std::uint64_t value = 0;
      const auto digits = line.substr(key.size() + 1);
      const auto [end, error] =
          std::from_chars(digits.data(), digits.data() + digits.size(), value);
      if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
      return value;
    }
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  return std::nullopt;
}

std::vector<std::int32_t> parse_pids(std::string_view text) {
  std::vector<std::int32_t> pids;
  while (!text.empty()) {
    const auto line = first_line(text);
    std::int32_t pid = 0;
    std::from_chars(line.data(), line.data() + line.size(), pid);
    if (pid > 0) pids.push_back(pid);  // 0 = a process of a PID namespace that we do not see
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  return pids;
}

Error GroupBase::error(ErrorCode code, std::string_view call, const CgroupPath& path,
                       std::string_view detail) {
  return fail(code, fmt::format("cgroups.{}", call), "cgroup " + path.text, detail);
}

Error GroupBase::file_error(std::string_view call, const CgroupPath& path, std::string_view file,
                            int number) {
  const auto code = number == ENOENT ? ErrorCode::not_supported : code_of(number);
  const auto name = file.substr(file.rfind('/') + 1);
  return error(code, call, path,
               number == ENOENT
                   ? fmt::format("this kernel has no {} for the group", name)
                   : fmt::format("{} refuses the value: {}", name, errno_text(number)))
      .with_errno(number);
}

std::string GroupBase::below(const std::string& mount, const CgroupPath& path) const {
  std::string directory = mount + '/' + prefix_;
  if (!path.text.empty()) directory += '/' + path.text;
  return directory;
}

Status GroupBase::require(std::string_view call, const CgroupPath& path) {
  if (!valid_group_path(path.text)) {
    return error(ErrorCode::invalid_argument, call, path,
                 "a group's path has 1 to 8 components of 1 to 64 letters, digits, '.', '_', '-'");
  }
  if (!tree_->exists(below(mounts().front(), path))) {
    return error(ErrorCode::not_found, call, path, "there is no such group");
  }
  return {};
}

Status GroupBase::write(std::string_view call, const CgroupPath& path, const std::string& file,
                        std::string_view text) {
  if (const int number = tree_->write(file, text); number != 0) {
    return file_error(call, path, file, number);
  }
  return {};
}

Result<std::string> GroupBase::read(std::string_view call, const CgroupPath& path,
                                    const std::string& file) {
  auto text = tree_->read(file);
  if (!text) return file_error(call, path, file, text.error());
  return std::move(*text);
}

Result<std::uint64_t> GroupBase::read_number(std::string_view call, const CgroupPath& path,
                                             const std::string& file) {
  TH_ASSIGN(const std::string text, read(call, path, file));
  const auto line = first_line(text);
  if (line == "max" || line == "-1") return kUnlimited;
  std::uint64_t value = 0;
  const auto [end, failure] = std::from_chars(line.data(), line.data() + line.size(), value);
  if (failure != std::errc{} || end != line.data() + line.size()) {
    return error(ErrorCode::corrupt, call, path, file + " holds no number: " + text);
  }
  return value;
}

Status GroupBase::make_prefix(std::string_view call) {
  for (const auto& mount : mounts()) {
    if (tree_->exists(mount + '/' + prefix_)) continue;
    std::string directory = mount;
    for (std::size_t at = 0; at < prefix_.size();) {
      const auto end = std::min(prefix_.find('/', at), prefix_.size());
      directory += '/' + prefix_.substr(at, end - at);
      at = end + 1;
      const int number = tree_->make_directory(directory);
      if (number == EEXIST) continue;
      if (number != 0) {
        return system_error(fmt::format("cgroups.{}", call), directory, number,
                            "cannot make the node's group");
      }
      TH_TRY(prepare(mount, directory, CgroupPath{}));
    }
  }
  return {};
}

Result<Effect> GroupBase::make_in(const std::string& mount, const CgroupPath& path) {
  const auto directory = below(mount, path);
  const int number = tree_->make_directory(directory);
  if (number == EEXIST) return Effect::none;
  if (number != 0) {
    return system_error("cgroups.create", directory, number, "cannot make the group");
  }
  TH_TRY(prepare(mount, directory, path));
  return Effect::changed;
}

Result<Effect> GroupBase::create(const CgroupPath& path) {
  if (!valid_group_path(path.text)) return std::move(require("create", path)).error();
  const auto slash = path.text.rfind('/');
  if (slash == std::string::npos) {
    TH_TRY(make_prefix("create"));
  } else {
    TH_TRY(require("create", CgroupPath{path.text.substr(0, slash)}));
  }
  std::vector<std::string> made;
  for (const auto& mount : mounts()) {
    auto effect = make_in(mount, path);
    if (!effect) {
      // Half a group would be found later and taken for a whole one.
      made.push_back(below(mount, path));
      for (const auto& directory : made) tree_->remove_directory(directory);
      return std::move(effect).error();
    }
    if (*effect == Effect::changed) made.push_back(below(mount, path));
  }
  return made.empty() ? Effect::none : Effect::changed;
}

int GroupBase::remove_directory(const std::string& directory) {
  // Programs in a container (systemd) make groups in the hierarchies that they may write to. What
  // they left goes with the group.
  if (const auto names = tree_->directories(directory)) {
    for (const auto& name : *names) {
      if (const int number = remove_directory(directory + '/' + name);
          number != 0 && number != ENOENT) {
        return number;
      }
    }
  }
  return tree_->remove_directory(directory);
}

Result<Effect> GroupBase::remove(const CgroupPath& path) {
  if (!valid_group_path(path.text)) return std::move(require("remove", path)).error();
  if (tree_->exists(below(mounts().front(), path))) {
    TH_ASSIGN(const auto names, children(path));
    if (!names.empty()) {
      return error(ErrorCode::not_empty, "remove", path,
                   fmt::format("it has {} child groups, the first is {}", names.size(),
                               names.front()));
    }
  }
  Effect effect = Effect::none;
  Duration waited{0};
  auto places = mounts();
  // The first mount decides whether the group is there, so it goes last: a remove that was cut
  // short is found and repeated.
  std::ranges::reverse(places);
  for (const auto& mount : places) {
    const auto directory = below(mount, path);
    for (;;) {
      const int number = remove_directory(directory);
      if (number == 0) effect = Effect::changed;
      if (number == 0 || number == ENOENT) break;
      if (number != EBUSY) {
        return system_error("cgroups.remove", directory, number, "cannot remove the group");
      }
      // A killed process stays a member until it is through with its exit.
      if (waited >= kPatience) {
        std::vector<std::int32_t> pids;
        collect(directory, pids);
        return error(ErrorCode::busy, "remove", path,
                     fmt::format("{} processes are in it{}", pids.size(),
                                 pids.empty() ? "" : fmt::format(", such as {}", pids.front())))
            .with_errno(number)
            .with_hint("stop or kill them first");
      }
      tree_->pause(kStep);
      waited += kStep;
    }
  }
  return effect;
}

Result<std::vector<std::string>> GroupBase::children(const CgroupPath& parent) {
  if (!parent.text.empty()) TH_TRY(require("children", parent));
  const auto directory = below(mounts().front(), parent);
  auto names = tree_->directories(directory);
  if (!names) {
    // Before the first group the node has no directory of its own.
    if (names.error() == ENOENT && parent.text.empty()) return std::vector<std::string>{};
    return system_error("cgroups.children", directory, names.error());
  }
  std::erase_if(*names, [&](const std::string& name) { return !ours(directory + '/' + name); });
  return std::move(*names);
}

void GroupBase::collect(const std::string& directory, std::vector<std::int32_t>& pids) {
  if (const auto text = tree_->read(directory + kProcs)) {
    const auto own = parse_pids(*text);
    pids.insert(pids.end(), own.begin(), own.end());
  }
  // A group that vanished meanwhile has no processes.
  if (const auto names = tree_->directories(directory)) {
    for (const auto& name : *names) collect(directory + '/' + name, pids);
  }
}

Result<std::vector<ProcessRef>> GroupBase::processes(const CgroupPath& path) {
  TH_TRY(require("processes", path));
  std::vector<std::int32_t> pids;
  collect(below(mounts().front(), path), pids);
  std::ranges::sort(pids);
  const auto repeated = std::ranges::unique(pids);  // cgroup.procs may repeat (cgroups(7))
  pids.erase(repeated.begin(), repeated.end());
  std::vector<ProcessRef> found;
  for (const auto pid : pids) {
    if (const auto start = tree_->start_time(pid)) found.push_back({pid, *start});
  }
  return found;
}

}  // namespace twinhull::linux_backend
