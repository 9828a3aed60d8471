#include "backends/linux/process/user_namespace.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "backends/linux/errno_error.h"

namespace twinhull::linux_backend {
namespace {

constexpr const char* kOperation = "processes.spawn";

}  // namespace

Status write_id_maps(pid_t pid, const IdMapping& mapping, const std::string& object) {
  const auto text = fmt::format("0 {} {}\n", mapping.base, mapping.count);
  for (const char* const name : {"uid_map", "gid_map"}) {
    const auto path = fmt::format("/proc/{}/{}", pid, name);
    const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file || ::write(file.get(), text.data(), text.size()) < 0) {
      return system_error(kOperation, object, errno,
                          fmt::format("cannot map its users to {}…{}", mapping.base,
                                      mapping.base + mapping.count - 1));
    }
  }
  return {};
}

Result<UniqueFd> map_root(const std::string& root, const IdMapping& mapping, pid_t pid,
                          const std::string& object) {
  struct stat facts{};
  if (::stat(root.c_str(), &facts) != 0) return system_error(kOperation, object, errno, root);
  if (facts.st_uid >= mapping.base && facts.st_uid - mapping.base < mapping.count) {
    return UniqueFd();
  }
  const auto path = fmt::format("/proc/{}/ns/user", pid);
  const UniqueFd users(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!users) return system_error(kOperation, object, errno, path);
  UniqueFd mount(::open_tree(AT_FDCWD, root.c_str(),
                             OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));
  if (!mount) return system_error(kOperation, object, errno, "cannot clone the mount of " + root);
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_IDMAP;
  attributes.userns_fd = static_cast<__u64>(users.get());
  if (::mount_setattr(mount.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) == 0) {
    return mount;
  }
  const int number = errno;
  if (number == EINVAL || number == EOPNOTSUPP) {
    return system_error(ErrorCode::not_supported, kOperation, object, number,
                        fmt::format("{} belongs to user {} of the node, and its file system "
                                    "cannot map owners (idmapped mounts)",
                                    root, facts.st_uid))
        .with_hint(fmt::format("give the tree to user {} (chown -R), or start the container "
                               "without a user namespace",
                               mapping.base));
  }
  return system_error(kOperation, object, number, "cannot map the owners of " + root);
}

}  // namespace twinhull::linux_backend
