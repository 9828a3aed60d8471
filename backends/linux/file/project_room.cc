#include "backends/linux/file/project_room.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/quota.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "backends/linux/file/path.h"
#include "backends/linux/unique_fd.h"

namespace twinhull::linux_backend {
namespace {

constexpr std::uint64_t kBlock = 1024;  ///< of limits in quotactl(2)
/// What a request may take besides its own bytes: a directory's block, the tree of extents.
constexpr std::uint64_t kMetadata = 64 << 10;

bool read_quota(int fd, std::uint32_t id, if_dqblk& quota) {
  return ::syscall(SYS_quotactl_fd, fd, QCMD(Q_GETQUOTA, PRJQUOTA), static_cast<int>(id), &quota) ==
         0;
}

}  // namespace

ProjectRoom project_room(const std::string& path, std::uint64_t bytes) {
  const UniqueFd directory(
      ::open(parent_path(clean_path(path)).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct statfs system{};
  fsxattr attributes{};
  if (!directory || ::fstatfs(directory.get(), &system) != 0 ||
      static_cast<std::uint64_t>(system.f_type) != XFS_SUPER_MAGIC ||
      ::ioctl(directory.get(), FS_IOC_FSGETXATTR, &attributes) != 0 || attributes.fsx_projid == 0)
    return ProjectRoom::unlimited;
  if_dqblk quota{};
  // Asked for id 0, xfs first finishes with the inodes that were removed (xfs_qm_scall_getquota);
  // the answer itself does not matter.
  read_quota(directory.get(), 0, quota);
  quota = {};
  if (!read_quota(directory.get(), attributes.fsx_projid, quota)) return ProjectRoom::unlimited;
  if (quota.dqb_ihardlimit == 0 && quota.dqb_bhardlimit == 0) return ProjectRoom::unlimited;
  if (quota.dqb_ihardlimit != 0 && quota.dqb_curinodes >= quota.dqb_ihardlimit)
    return ProjectRoom::full;
  if (quota.dqb_bhardlimit != 0 &&
      quota.dqb_curspace + bytes + kMetadata > quota.dqb_bhardlimit * kBlock)
    return ProjectRoom::full;
  return ProjectRoom::free;
}

}  // namespace twinhull::linux_backend
