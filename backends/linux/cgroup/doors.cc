#include "backends/linux/cgroup/doors.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "backends/linux/cgroup/tree.h"
#include "backends/linux/errno_error.h"

namespace twinhull::linux_backend {
namespace {

/// Opens the doors of one directory a mount; `directory_of(mount, root, controller)` names it.
template <typename DirectoryOf>
Result<CgroupDoors> open_doors(const CgroupLayout& layout, std::string_view object,
                               ErrorCode absent, const DirectoryOf& directory_of) {
  const auto refused = [&](const std::string& path, int number) {
    return system_error(number == ENOENT ? absent : code_of(number), "processes.spawn", object,
                        number, "cannot enter " + path);
  };
  CgroupDoors doors;
  std::string devices_name;
  for (const auto& hierarchy : layout.hierarchies) {
    const std::string directory =
        directory_of(hierarchy.mount, hierarchy.root, hierarchy.controllers.front());
    UniqueFd door(::open((directory + "/tasks").c_str(), O_WRONLY | O_CLOEXEC));
    if (!door) return refused(directory, errno);
    if (std::ranges::find(hierarchy.controllers, "pids") != hierarchy.controllers.end()) {
      doors.pids_directory = directory;
    }
    const bool devices = std::ranges::find(hierarchy.controllers, "devices") !=
                         hierarchy.controllers.end();
    if (devices) {
      doors.devices_tasks = std::move(door);
      devices_name = directory;
    } else {
      doors.tasks.push_back(std::move(door));
      doors.names.push_back(directory);
    }
  }
  doors.names.push_back(devices_name);
  if (!layout.unified.empty()) {
    const std::string directory = directory_of(layout.unified, layout.unified_root, "");
    doors.unified = UniqueFd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!doors.unified) return refused(directory, errno);
    doors.unified_directory = directory;
  }
  return doors;
}

}  // namespace

std::string group_in(std::string_view text, std::string_view controller) {
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) continue;
    const auto names = line.substr(first + 1, second - first - 1);
    for (std::size_t at = 0; at <= names.size();) {
      const auto end = std::min(names.find(',', at), names.size());
      if (names.substr(at, end - at) == controller) return std::string(line.substr(second + 1));
      at = end + 1;
    }
  }
  return {};
}

Result<CgroupDoors> open_group_doors(const CgroupLayout& layout, const std::string& prefix,
                                     const CgroupPath& path) {
  return open_doors(layout, "cgroup " + path.text, ErrorCode::not_found,
                    [&](const std::string& mount, const std::string&, const std::string&) {
                      return fmt::format("{}/{}/{}", mount, prefix, path.text);
                    });
}

Status enter_group(const CgroupLayout& layout, const std::string& prefix, const CgroupPath& path) {
  std::vector<std::string> mounts;
  for (const auto& hierarchy : layout.hierarchies) mounts.push_back(hierarchy.mount);
  if (!layout.unified.empty()) mounts.push_back(layout.unified);
  for (const std::string& mount : mounts) {
    const auto door = fmt::format("{}/{}/{}/cgroup.procs", mount, prefix, path.text);
    const UniqueFd file(::open(door.c_str(), O_WRONLY | O_CLOEXEC));
    // "0" is whoever writes it.
    if (!file || ::write(file.get(), "0", 1) != 1) {
      const int number = errno;
      return system_error(code_of(number), "cgroups.enter", "cgroup " + path.text, number,
                          "cannot enter " + door);
    }
  }
  return {};
}

Result<CgroupDoors> open_process_doors(const CgroupLayout& layout, std::int32_t pid) {
  const auto tree = make_posix_tree();
  const auto groups = tree->read(fmt::format("/proc/{}/cgroup", pid));
  const auto object = fmt::format("process {}", pid);
  if (!groups) {
    return system_error(ErrorCode::not_running, "processes.exec", object, groups.error(),
                        "cannot read its control groups");
  }
  return open_doors(layout, object, ErrorCode::not_running,
                    [&](const std::string& mount, const std::string& root,
                        const std::string& controller) {
                      auto group = group_in(*groups, controller);
                      // A mount of a part of a hierarchy shows that part's top as "/".
                      if (root != "/" && group.starts_with(root)) group.erase(0, root.size());
                      return mount + group;
                    });
}

}  // namespace twinhull::linux_backend
