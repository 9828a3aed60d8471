// Facts of one name in a directory.
#pragma once

#include <sys/stat.h>

#include <string>

#include "runtime/kernel/files.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// What statx(2) tells of a name, without following a final link. Unlike st_dev, the mount's number
/// tells bind mounts from directories, and does not change at a btrfs subvolume.
struct EntryFacts {
  std::uint16_t mode = 0;  ///< type and permission bits
  std::uint32_t uid = 0, gid = 0, links = 0;
  std::uint64_t inode = 0, size = 0, blocks = 0, mount = 0;
  std::uint32_t device_major = 0, device_minor = 0;  ///< of the file system
  std::uint32_t node_major = 0, node_minor = 0;      ///< that a device node stands for
  timespec accessed{}, modified{}, changed{};  ///< changed: the inode (ctime)

  [[nodiscard]] bool is_directory() const { return S_ISDIR(mode); }
  [[nodiscard]] bool is_regular() const { return S_ISREG(mode); }
  [[nodiscard]] bool is_symlink() const { return S_ISLNK(mode); }
  [[nodiscard]] FileKind kind() const;
};

/// Kind by the type bits of a mode.
FileKind kind_of_mode(std::uint32_t mode);

/// Facts of `name` in `directory` (AT_FDCWD for a path). Returns 0 or the errno.
int read_facts(int directory, const char* name, EntryFacts& facts);
/// Facts of what a descriptor is open on.
int read_facts(int fd, EntryFacts& facts);

/// Target of the symbolic link `name` in `directory`. Errors: those of readlinkat(2).
Result<std::string> read_link_at(int directory, const std::string& name, std::string_view operation,
                                 const std::string& object);

}  // namespace twinhull::linux_backend
