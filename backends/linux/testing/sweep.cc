#include "backends/linux/testing/sweep.h"

#include <signal.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <set>
#include <vector>

#include "backends/linux/errno_error.h"
#include "backends/linux/file/path.h"
#include "backends/linux/file/trees.h"
#include "backends/linux/io.h"
#include "backends/linux/mount_table.h"

namespace twinhull::linux_backend::testing {
namespace {

constexpr auto kOperation = "testing.sweep";
constexpr int kTries = 500;  ///< 10 ms apart

namespace fs = std::filesystem;

void pause_briefly() {
  const timespec wait{.tv_sec = 0, .tv_nsec = 10'000'000};
  ::nanosleep(&wait, nullptr);
}

std::set<std::string> hierarchies() {
  std::set<std::string> found;
  if (const auto mounts = read_mount_table(kOperation))
    for (const MountEntry& mount : *mounts)
      if (mount.type == "cgroup" || mount.type == "cgroup2") found.insert(mount.target);
  return found;
}

/// The group and all below it, the deepest last. Empty when it is not there.
std::vector<fs::path> groups_below(const fs::path& top) {
  std::error_code error;
  std::vector<fs::path> groups;
  if (!fs::is_directory(top, error)) return groups;
  groups.push_back(top);
  for (fs::recursive_directory_iterator at(top, error), end; !error && at != end;
       at.increment(error))
    if (at->is_directory(error)) groups.push_back(at->path());
  return groups;
}

/// Whether there was any process to kill.
bool kill_members(const std::vector<fs::path>& groups) {
  bool any = false;
  for (const fs::path& group : groups) {
    // A frozen v1 process takes no signal. Groups of other controllers lack these files.
    for (const auto& [file, value] :
         {std::pair{"freezer.state", "THAWED"}, {"cgroup.freeze", "0"}}) {
      std::error_code error;
      if (fs::exists(group / file, error)) std::ofstream(group / file) << value;
    }
    std::ifstream members(group / "cgroup.procs");
    for (pid_t member = 0; members >> member;) {
      if (member <= 0) continue;  // a process of another pid namespace
      any = true;
      ::kill(member, SIGKILL);
    }
  }
  return any;
}

/// The lxcfs whose number the node wrote down (see open_proc_view); 0 = there is none.
pid_t proc_view_daemon(const std::string& directory) {
  pid_t daemon = 0;
  std::ifstream(directory + "/run/lxcfs.pid") >> daemon;
  std::string name;
  std::ifstream("/proc/" + std::to_string(daemon) + "/comm") >> name;
  return daemon > 0 && name == "lxcfs" ? daemon : 0;
}

/// Waits for a daemon whose mount is gone; one that stays is killed.
void wait_gone(pid_t daemon) {
  for (int attempt = 0; daemon != 0 && ::kill(daemon, 0) == 0 && attempt < kTries; ++attempt) {
    if (attempt == kTries / 2) ::kill(daemon, SIGKILL);
    pause_briefly();
  }
}

}  // namespace

int owner_of(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return 0;
  name.remove_prefix(prefix.size());
  int owner = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), owner);
  if (error != std::errc{} || owner <= 0) return 0;
  return end != name.data() + name.size() && *end == '-' ? owner : 0;
}

Status remove_groups(const std::string& prefix) {
  for (int attempt = 0;; ++attempt) {
    bool left = false;
    std::string obstacle;
    for (const std::string& hierarchy : hierarchies()) {
      const auto groups = groups_below(fs::path(hierarchy) / prefix);
      left = kill_members(groups) || left;
      for (auto group = groups.rbegin(); group != groups.rend(); ++group) {
        if (::rmdir(group->c_str()) == 0 || errno == ENOENT) continue;
        left = true;
        obstacle = group->string();
      }
    }
    if (!left) return {};
    if (attempt == kTries) {
      return fail(ErrorCode::busy, kOperation, obstacle.empty() ? prefix : obstacle,
                  "processes of the group do not go away");
    }
    pause_briefly();
  }
}

Status remove_directory(const std::string& directory) {
  const pid_t daemon = proc_view_daemon(directory);
  TH_ASSIGN(const auto mounts, read_mount_table(kOperation));
  for (auto mount = mounts.rbegin(); mount != mounts.rend(); ++mount) {
    if (!is_at_or_below(mount->target, directory)) continue;
    if (::umount2(mount->target.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL)
      return system_error(kOperation, mount->target, errno, "cannot unmount");
  }
  wait_gone(daemon);
  TH_TRY(remove_tree(directory, kOperation));
  return {};
}

Status sweep() {
  const auto is_dead = [](int owner) {
    return owner != 0 && ::kill(owner, 0) != 0 && errno == ESRCH;
  };
  std::set<std::string> dead;
  for (const std::string& hierarchy : hierarchies()) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(hierarchy, error)) {
      const std::string name = entry.path().filename();
      if (is_dead(owner_of(name, kGroupPrefix))) dead.insert(name);
    }
  }
  for (const std::string& prefix : dead) TH_TRY(remove_groups(prefix));
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/tmp", error)) {
    const std::string name = entry.path().filename();
    if (is_dead(owner_of(name, kDirectoryPrefix))) TH_TRY(remove_directory(entry.path()));
  }
  return {};
}

}  // namespace twinhull::linux_backend::testing
