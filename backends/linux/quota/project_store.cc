// Quota trees as projects of ext4 or xfs.
#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "backends/linux/errno_error.h"
#include "backends/linux/file/entry.h"
#include "backends/linux/file/path.h"
#include "backends/linux/file/trees.h"
#include "backends/linux/quota/tree_store.h"
#include "backends/linux/unique_fd.h"

namespace twinhull::linux_backend {
namespace {

/// quotactl counts limits in these.
constexpr std::uint64_t kBlock = 1024;
/// Our project ids carry this bit, to stay clear of those that administrators write into
/// /etc/projid.
constexpr std::uint32_t kOurIds = 0x40000000;
constexpr int kMostTries = 1024;

/// quotactl_fd(2), Linux 5.14. Returns 0 or the errno.
int quota_call(int fd, unsigned command, std::uint32_t id, void* argument) {
  const long result =
      ::syscall(SYS_quotactl_fd, fd, QCMD(command, PRJQUOTA), static_cast<int>(id), argument);
  return result == 0 ? 0 : errno;
}

Result<UniqueFd> open_directory(std::string_view operation, const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return system_error(operation, path, errno);
  return fd;
}

int read_project(int fd, std::uint32_t& id) {
  fsxattr attributes{};
  if (::ioctl(fd, FS_IOC_FSGETXATTR, &attributes) != 0) return errno;
  id = attributes.fsx_projid;
  return 0;
}

Result<std::uint32_t> project_of(int fd, std::string_view operation, const std::string& path) {
  std::uint32_t id = 0;
  if (const int error = read_project(fd, id); error != 0)
    return system_error(operation, path, error, "cannot read the project id");
  return id;
}

/// The first id from the directory's inode number on that counts nothing. Inode numbers differ
/// within a file system, so the first try nearly always fits.
Result<std::uint32_t> free_project(int fd, std::string_view operation, const std::string& path) {
  EntryFacts facts;
  if (const int error = read_facts(fd, facts); error != 0)
    return system_error(operation, path, error);
  for (std::uint64_t attempt = 0; attempt < kMostTries; ++attempt) {
    const auto id = kOurIds | static_cast<std::uint32_t>((facts.inode + attempt) & (kOurIds - 1));
    if_dqblk quota{};
    const int error = quota_call(fd, Q_GETQUOTA, id, &quota);
    if (error == ENOENT || error == ESRCH) return id;
    if (error != 0) return system_error(operation, path, error, "cannot look a project up");
    if (quota.dqb_curspace == 0 && quota.dqb_curinodes == 0 && quota.dqb_bhardlimit == 0 &&
        quota.dqb_ihardlimit == 0)
      return id;
  }
  return fail(ErrorCode::limit_exceeded, operation, path, "no free project id was found");
}

class ProjectStore final : public TreeStore {
 public:
  Status create(const std::string& path) override {
    constexpr auto kOperation = "quotas.create_tree";
    if (::mkdir(path.c_str(), 0755) != 0 || ::chmod(path.c_str(), 0755) != 0)
      return system_error(kOperation, path, errno, "cannot make the directory");
    const Status marked = mark(kOperation, path);
    if (!marked) ::rmdir(path.c_str());  // empty; the error that counts is the other one
    return marked;
  }

  Result<TreeLimit> set_limit(const std::string& path, TreeLimit limit) override {
    constexpr auto kOperation = "quotas.set_limit";
    TH_ASSIGN(const UniqueFd fd, open_directory(kOperation, path));
    TH_ASSIGN(const std::uint32_t id, project_of(fd.get(), kOperation, path));
    if_dqblk quota{};
    quota.dqb_valid = QIF_LIMITS;
    TreeLimit kept = limit;
    if (limit.bytes.value != kUnlimited) {
      // 0 means "no limit" to the kernel, so the least is one block.
      quota.dqb_bhardlimit = std::max<std::uint64_t>(limit.bytes.value / kBlock, 1);
      kept.bytes = {quota.dqb_bhardlimit * kBlock};
    }
    if (limit.inodes.value != kUnlimited) {
      quota.dqb_ihardlimit = std::max<std::uint64_t>(limit.inodes.value, 1);
      kept.inodes = {quota.dqb_ihardlimit};
    }
    if (const int error = quota_call(fd.get(), Q_SETQUOTA, id, &quota); error != 0)
      return system_error(kOperation, path, error, "cannot set the project's quota");
    return kept;
  }

  Result<TreeUsage> usage(const std::string& path) override {
    constexpr auto kOperation = "quotas.usage";
    TH_ASSIGN(const UniqueFd fd, open_directory(kOperation, path));
    TH_ASSIGN(const std::uint32_t id, project_of(fd.get(), kOperation, path));
    // Counts blocks that are only reserved yet as well, so no sync is needed.
    if_dqblk quota{};
    if (const int error = quota_call(fd.get(), Q_GETQUOTA, id, &quota); error != 0)
      return system_error(kOperation, path, error, "cannot read the project's quota");
    TreeUsage usage;
    usage.bytes = {quota.dqb_curspace};
    usage.inodes = {quota.dqb_curinodes};
    if (quota.dqb_bhardlimit != 0) usage.limit.bytes = {quota.dqb_bhardlimit * kBlock};
    if (quota.dqb_ihardlimit != 0) usage.limit.inodes = {quota.dqb_ihardlimit};
    return usage;
  }

  Status remove(const std::string& path) override {
    constexpr auto kOperation = "quotas.remove_tree";
    TH_ASSIGN(const UniqueFd fd, open_directory(kOperation, path));
    TH_ASSIGN(const std::uint32_t id, project_of(fd.get(), kOperation, path));
    TH_ASSIGN(const UniqueFd parent, open_directory(kOperation, parent_path(path)));
    TH_TRY(remove_tree(path, kOperation));
    if_dqblk quota{};
    quota.dqb_valid = QIF_LIMITS;
    if (const int error = quota_call(parent.get(), Q_SETQUOTA, id, &quota); error != 0)
      return system_error(kOperation, path, error, "cannot lift the project's quota");
    return {};
  }

  Status rename(const std::string& from, const std::string& to) override {
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return {};
    return system_error("quotas.rename_tree", from, errno, "cannot rename to " + to);
  }

 private:
  static Status mark(std::string_view operation, const std::string& path) {
    TH_ASSIGN(const UniqueFd fd, open_directory(operation, path));
    TH_ASSIGN(const std::uint32_t id, free_project(fd.get(), operation, path));
    fsxattr attributes{};
    if (::ioctl(fd.get(), FS_IOC_FSGETXATTR, &attributes) != 0)
      return system_error(operation, path, errno, "cannot read the project id");
    attributes.fsx_projid = id;
    attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
    if (::ioctl(fd.get(), FS_IOC_FSSETXATTR, &attributes) != 0)
      return system_error(operation, path, errno, "cannot set the project id");
    return {};
  }
};

}  // namespace

std::unique_ptr<TreeStore> make_project_store() {
  return std::make_unique<ProjectStore>();
}

Result<bool> has_project_quota(const std::string& place, std::string_view operation) {
  UniqueFd fd(::open(place.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return system_error(operation, place, errno);
  // Any refusal (no CONFIG_QUOTA: ENOSYS; not mounted with it: ESRCH; another file system: ENOTTY,
  // EOPNOTSUPP) means that it does not act here.
  fs_quota_stat status{};
  if (quota_call(fd.get(), Q_XGETQSTAT, 0, &status) != 0) return false;
  return (status.qs_flags & FS_QUOTA_PDQ_ENFD) != 0;
}

bool is_project_tree(const std::string& path) {
  UniqueFd top(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  UniqueFd parent(::open(parent_path(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::uint32_t own = 0;
  std::uint32_t outer = 0;
  if (!top || !parent || read_project(top.get(), own) != 0) return false;
  if (read_project(parent.get(), outer) != 0) outer = 0;
  return own != 0 && own != outer;
}

}  // namespace twinhull::linux_backend
