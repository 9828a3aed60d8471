#include "backends/linux/cgroup/block_device.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "backends/linux/errno_error.h"
#include "backends/linux/io.h"
#include "backends/linux/mount_table.h"

namespace twinhull::linux_backend {
namespace {

std::vector<std::string> entries_of(const std::string& path) {
  std::vector<std::string> names;
  DIR* const directory = ::opendir(path.c_str());
  if (directory == nullptr) return names;
  while (const dirent* const entry = ::readdir(directory)) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  ::closedir(directory);
  return names;
}

/// How many disks the btrfs has that `disk` is one of; 0 = unknown.
std::size_t btrfs_disks(const std::string& disk) {
  for (const std::string& id : entries_of("/sys/fs/btrfs")) {
    const auto disks = entries_of("/sys/fs/btrfs/" + id + "/devices");
    if (std::ranges::find(disks, disk) != disks.end()) return disks.size();
  }
  return 0;
}

Error no_disk(std::string_view operation, const std::string& path, std::string_view why) {
  return fail(ErrorCode::not_supported, operation, path, why)
      .with_hint("keep the private areas on a file system on one disk");
}

/// Number of the block device that a mount with an anonymous number lies on.
Result<dev_t> source_of(std::uint64_t mount, const std::string& path, std::string_view operation) {
  TH_ASSIGN(const auto mounts, read_mount_table(operation));
  const auto found = std::ranges::find(mounts, mount, &MountEntry::id);
  if (found == mounts.end()) return no_disk(operation, path, "its mount is not in the mount table");
  struct stat source{};
  if (::stat(found->source.c_str(), &source) != 0 || !S_ISBLK(source.st_mode)) {
    return no_disk(operation, path,
                   fmt::format("its file system ({} from {}) is on no disk of this node",
                               found->type, found->source));
  }
  const std::size_t disks = btrfs_disks(found->source.substr(found->source.rfind('/') + 1));
  if (disks > 1) {
    return no_disk(operation, path, fmt::format("its file system spreads over {} disks", disks));
  }
  return source.st_rdev;
}

}  // namespace

Result<BlockDevice> find_disk(const std::string& path, std::string_view operation) {
  if (!path.starts_with('/')) {
    return fail(ErrorCode::invalid_argument, operation, path, "the path is not absolute");
  }
  struct statx facts{};
  if (::statx(AT_FDCWD, path.c_str(), 0, STATX_TYPE | STATX_MNT_ID, &facts) != 0) {
    return system_error(operation, path, errno);
  }
  dev_t number = makedev(facts.stx_dev_major, facts.stx_dev_minor);
  if (facts.stx_dev_major == 0) {
    TH_ASSIGN(number, source_of(facts.stx_mnt_id, path, operation));
  }
  std::string entry = fmt::format("/sys/dev/block/{}:{}", major(number), minor(number));
  if (::access((entry + "/partition").c_str(), F_OK) == 0) entry += "/..";
  auto text = read_kernel_file(entry + "/dev", operation);
  auto facts_text = read_kernel_file(entry + "/uevent", operation);
  if (!text || !facts_text) return no_disk(operation, path, "its disk is not in /sys/dev/block");
  BlockDevice device;
  device.number = text->substr(0, text->find('\n'));
  constexpr std::string_view kKey = "DEVNAME=";
  const auto at = facts_text->find(kKey);
  if (at == std::string::npos) return no_disk(operation, path, "its disk has no name");
  const auto begin = at + kKey.size();
  device.name = facts_text->substr(begin, facts_text->find('\n', begin) - begin);
  std::ranges::replace(device.name, '/', '!');  // as /sys/block names it
  return device;
}

std::string active_scheduler(std::string_view text) {
  const auto begin = text.find('[');
  const auto end = text.find(']');
  if (begin == std::string_view::npos || end == std::string_view::npos || end < begin) return {};
  return std::string(text.substr(begin + 1, end - begin - 1));
}

}  // namespace twinhull::linux_backend
