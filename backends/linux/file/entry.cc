#include "backends/linux/file/entry.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "backends/linux/errno_error.h"

namespace twinhull::linux_backend {
namespace {

int read_facts_with(int directory, const char* name, int flags, EntryFacts& facts) {
  struct statx raw{};
  if (::statx(directory, name, flags | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
              STATX_BASIC_STATS | STATX_MNT_ID, &raw) != 0)
    return errno;
  facts.mode = raw.stx_mode;
  facts.uid = raw.stx_uid;
  facts.gid = raw.stx_gid;
  facts.links = raw.stx_nlink;
  facts.inode = raw.stx_ino;
  facts.size = raw.stx_size;
  facts.blocks = raw.stx_blocks;
  facts.mount = raw.stx_mnt_id;
  facts.device_major = raw.stx_dev_major;
  facts.device_minor = raw.stx_dev_minor;
  facts.node_major = raw.stx_rdev_major;
  facts.node_minor = raw.stx_rdev_minor;
  facts.accessed = {raw.stx_atime.tv_sec, raw.stx_atime.tv_nsec};
  facts.modified = {raw.stx_mtime.tv_sec, raw.stx_mtime.tv_nsec};
  facts.changed = {raw.stx_ctime.tv_sec, raw.stx_ctime.tv_nsec};
  return 0;
}

}  // namespace

FileKind kind_of_mode(std::uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR: return FileKind::directory;
    case S_IFLNK: return FileKind::symlink;
    case S_IFBLK:
    case S_IFCHR: return FileKind::device;
    case S_IFIFO: return FileKind::fifo;
    case S_IFSOCK: return FileKind::socket;
    default: return FileKind::regular;
  }
}

FileKind EntryFacts::kind() const {
  return kind_of_mode(mode);
}

int read_facts(int directory, const char* name, EntryFacts& facts) {
  return read_facts_with(directory, name, 0, facts);
}

int read_facts(int fd, EntryFacts& facts) {
  return read_facts_with(fd, "", AT_EMPTY_PATH, facts);
}

Result<std::string> read_link_at(int directory, const std::string& name, std::string_view operation,
                                 const std::string& object) {
  std::string target(256, '\0');
  for (;;) {
    const ssize_t length = ::readlinkat(directory, name.c_str(), target.data(), target.size());
    if (length < 0) return system_error(operation, object, errno, "cannot read the link");
    if (static_cast<std::size_t>(length) < target.size()) {
      target.resize(static_cast<std::size_t>(length));
      return target;
    }
    target.resize(target.size() * 2);
  }
}

}  // namespace twinhull::linux_backend
