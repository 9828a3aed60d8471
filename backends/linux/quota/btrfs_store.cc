// Quota trees as btrfs subvolumes.
#include <btrfsutil.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#include <cerrno>
#include <cstdio>

#include "backends/linux/errno_error.h"
#include "backends/linux/file/entry.h"
#include "backends/linux/file/path.h"
#include "backends/linux/file/trees.h"
#include "backends/linux/quota/qgroups.h"
#include "backends/linux/quota/tree_store.h"
#include "backends/linux/unique_fd.h"

namespace twinhull::linux_backend {
namespace {

/// Inode number of the top of each subvolume (BTRFS_FIRST_FREE_OBJECTID).
constexpr std::uint64_t kTopInode = 256;
/// How long removing waits for the kernel to free a subvolume, so that its qgroup can go with it.
/// A bigger one is freed in the background and its qgroup goes at the next removal.
constexpr Duration kFreeWait = seconds(2);

Error util_error(enum btrfs_util_error error, int number, std::string_view operation,
                 const std::string& object) {
  return system_error(operation, object, number, btrfs_util_strerror(error));
}

Result<UniqueFd> open_directory(std::string_view operation, const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return system_error(operation, path, errno);
  return fd;
}

Result<std::uint64_t> subvolume_number(int fd, std::string_view operation,
                                       const std::string& path) {
  std::uint64_t number = 0;
  if (const auto error = btrfs_util_subvolume_id_fd(fd, &number); error != BTRFS_UTIL_OK)
    return util_error(error, errno, operation, path);
  return number;
}

/// Removes qgroups whose subvolume is gone: ours whose freeing took longer than we waited. They
/// count nothing and can count nothing again, as btrfs never reuses a number.
Status remove_stale(Qgroups& groups) {
  TH_ASSIGN(const auto numbers, groups.list());
  TH_ASSIGN(const auto subvolumes, groups.subvolumes());
  for (const std::uint64_t number : numbers) {
    if (subvolumes.contains(number)) continue;
    TH_ASSIGN(const auto group, groups.read(number));
    // Still counts something: the kernel has not settled its accounts yet.
    if (!group || group->referenced != 0) continue;
    const Status removed = groups.remove(number);
    // busy: the kernel still settles its accounts; the next removal finds it again.
    if (!removed && removed.error().code != ErrorCode::busy) return removed;
  }
  return {};
}

void pause_briefly() {
  const timespec wait{.tv_sec = 0, .tv_nsec = 5'000'000};
  ::nanosleep(&wait, nullptr);
}

class BtrfsStore final : public TreeStore {
 public:
  explicit BtrfsStore(const NodeOptions& options) : options_(options) {}

  Status create(const std::string& path) override {
    constexpr auto kOperation = "quotas.create_tree";
    TH_ASSIGN(const UniqueFd parent, open_directory(kOperation, parent_path(path)));
    TH_TRY(turn_on(parent.get(), kOperation, path));
    if (const auto error = btrfs_util_create_subvolume(path.c_str(), 0, nullptr, nullptr);
        error != BTRFS_UTIL_OK)
      return util_error(error, errno, kOperation, path);
    if (::chmod(path.c_str(), 0755) != 0) return system_error(kOperation, path, errno);
    return {};
  }

  Result<TreeLimit> set_limit(const std::string& path, TreeLimit limit) override {
    constexpr auto kOperation = "quotas.set_limit";
    TH_ASSIGN(const UniqueFd fd, open_directory(kOperation, path));
    TH_TRY(turn_on(fd.get(), kOperation, path));
    TH_ASSIGN(const std::uint64_t number, subvolume_number(fd.get(), kOperation, path));
    // Through the parent: the change is charged to the subvolume that it is asked through, and a
    // full one could not be given more room.
    TH_ASSIGN(const UniqueFd parent, open_directory(kOperation, parent_path(path)));
    Qgroups groups(parent.get(), kOperation, path);
    TH_ASSIGN(const auto group, groups.read(number));
    if (!group) TH_TRY(groups.create(number));
    std::optional<std::uint64_t> most;
    if (limit.bytes.value != kUnlimited) most = limit.bytes.value;
    // Setting it writes back all that is dirty in the whole file system.
    if (!group || group->most_referenced != most) TH_TRY(groups.set_limit(number, most));
    return TreeLimit{.bytes = limit.bytes};  // inodes are not counted
  }

  Result<TreeUsage> usage(const std::string& path) override {
    constexpr auto kOperation = "quotas.usage";
    TH_ASSIGN(const UniqueFd fd, open_directory(kOperation, path));
    TH_ASSIGN(const std::uint64_t number, subvolume_number(fd.get(), kOperation, path));
    Qgroups groups(fd.get(), kOperation, path);
    TH_ASSIGN(const bool counting, groups.enabled());
    if (!counting) {
      return fail(ErrorCode::not_supported, kOperation, path, "btrfs quota is off here")
          .with_hint("it is turned on when a limit is set");
    }
    TH_TRY(groups.settle());
    TH_ASSIGN(const auto group, groups.read(number));
    if (!group) return fail(ErrorCode::not_found, kOperation, path, "the tree has no qgroup");
    TreeUsage usage;
    usage.bytes = {group->referenced};
    usage.limit.bytes = {group->most_referenced.value_or(kUnlimited)};
    // Qgroups do not count inodes; the tree is walked instead.
    TH_ASSIGN(const TreeSize size, measure_tree(path, kOperation));
    usage.inodes = size.inodes;
    return usage;
  }

  Status remove(const std::string& path) override {
    constexpr auto kOperation = "quotas.remove_tree";
    TH_ASSIGN(const UniqueFd parent, open_directory(kOperation, parent_path(path)));
    std::uint64_t number = 0;
    if (const auto error = btrfs_util_subvolume_id(path.c_str(), &number); error != BTRFS_UTIL_OK)
      return util_error(error, errno, kOperation, path);
    if (const auto error =
            btrfs_util_delete_subvolume(path.c_str(), BTRFS_UTIL_DELETE_SUBVOLUME_RECURSIVE);
        error != BTRFS_UTIL_OK)
      return util_error(error, errno, kOperation, path);
    Qgroups groups(parent.get(), kOperation, path);
    TH_ASSIGN(const bool counting, groups.enabled());
    if (!counting) return {};
    TH_TRY(wait_freed(groups, parent.get(), number));
    return remove_stale(groups);
  }

  Status rename(const std::string& from, const std::string& to) override {
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return {};
    return system_error("quotas.rename_tree", from, errno, "cannot rename to " + to);
  }

 private:
  Status turn_on(int fd, std::string_view operation, const std::string& path) {
    Qgroups groups(fd, operation, path);
    TH_ASSIGN(const bool counting, groups.enabled());
    if (counting) return {};
    if (!options_.enable_quota) {
      return fail(ErrorCode::not_supported, operation, path, "btrfs quota is off here")
          .with_hint("turn it on: btrfs quota enable");
    }
    return groups.enable();
  }

  static Status wait_freed(Qgroups& groups, int fd, std::uint64_t number) {
    timespec begin{};
    ::clock_gettime(CLOCK_MONOTONIC, &begin);
    for (bool gone = false;;) {
      // Each sync wakes the thread that frees subvolumes. The accounts are settled when the
      // transaction that frees the last block is committed: a qgroup that goes earlier leaves the
      // whole accounting inconsistent. Hence one more sync after the subvolume is gone.
      if (::ioctl(fd, BTRFS_IOC_SYNC, nullptr) != 0) return {};
      if (gone) return {};
      TH_ASSIGN(const auto present, groups.subvolumes());
      gone = !present.contains(number);
      if (gone) continue;
      timespec now{};
      ::clock_gettime(CLOCK_MONOTONIC, &now);
      if (seconds(now.tv_sec - begin.tv_sec) + nanoseconds(now.tv_nsec - begin.tv_nsec) > kFreeWait)
        return {};
      pause_briefly();
    }
  }

  const NodeOptions& options_;
};

}  // namespace

std::unique_ptr<TreeStore> make_btrfs_store(const NodeOptions& options) {
  return std::make_unique<BtrfsStore>(options);
}

Result<bool> has_btrfs_quota(const NodeOptions& options, const std::string& place,
                             std::string_view operation) {
  struct statfs facts{};
  if (::statfs(place.c_str(), &facts) != 0) return system_error(operation, place, errno);
  if (facts.f_type != BTRFS_SUPER_MAGIC) return false;
  if (options.enable_quota) return true;
  UniqueFd fd(::open(place.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return system_error(operation, place, errno);
  return Qgroups(fd.get(), operation, place).enabled();
}

bool is_btrfs_subvolume(const std::string& path) {
  struct statfs facts{};
  if (::statfs(path.c_str(), &facts) != 0 || facts.f_type != BTRFS_SUPER_MAGIC) return false;
  EntryFacts top;
  return read_facts(AT_FDCWD, path.c_str(), top) == 0 && top.is_directory() &&
         top.inode == kTopInode;
}

}  // namespace twinhull::linux_backend
