#include "backends/linux/file/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>

#include "backends/linux/errno_error.h"
#include "backends/linux/file/entry.h"
#include "backends/linux/file/path.h"
#include "backends/linux/file/project_room.h"
#include "backends/linux/file/tree_digest.h"
#include "backends/linux/file/trees.h"
#include "backends/linux/io.h"
#include "backends/linux/unique_fd.h"

namespace twinhull::linux_backend {
namespace {

constexpr std::uint64_t kSectorSize = 512;

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

/// Refuses what has no content of its own: reading a fifo or a device could block for ever.
Status check_regular(int fd, std::string_view operation, const std::string& path) {
  EntryFacts facts;
  if (const int error = read_facts(fd, facts); error != 0)
    return system_error(operation, path, error);
  if (facts.is_directory())
    return fail(ErrorCode::is_directory, operation, path, "a directory, not a file");
  if (!facts.is_regular())
    return fail(ErrorCode::invalid_argument, operation, path, "not a regular file");
  return {};
}

Status check_mode(std::string_view operation, const std::string& path, std::uint32_t mode) {
  if (mode <= 07777) return {};
  return fail(ErrorCode::invalid_argument, operation, path, "a mode has permission bits only");
}

/// Opens a regular file for writing and, when it is new, gives it exactly `mode` whatever the
/// umask.
Result<UniqueFd> open_for_writing(std::string_view operation, const std::string& path, int flags,
                                  std::uint32_t mode) {
  TH_TRY(check_path(operation, path));
  TH_TRY(check_mode(operation, path, mode));
  // O_NONBLOCK: a fifo must not block us.
  const int common = O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  UniqueFd file(::open(path.c_str(), common | flags));
  bool is_new = false;
  if (!file && errno == ENOENT) {
    file.reset(::open(path.c_str(), common | flags | O_CREAT, mode));
    is_new = true;
  }
  if (!file) {
    if (errno == ENXIO)
      return fail(ErrorCode::invalid_argument, operation, path, "not a regular file");
    return system_error(operation, path, errno, "cannot open for writing");
  }
  TH_TRY(check_regular(file.get(), operation, path));
  if (is_new && ::fchmod(file.get(), mode) != 0)
    return system_error(operation, path, errno, "cannot set the mode");
  return file;
}

Status write_once(const std::string& path, std::string_view content, std::uint32_t mode) {
  constexpr auto kOperation = "files.write";
  TH_ASSIGN(const UniqueFd file, open_for_writing(kOperation, path, O_TRUNC, mode));
  return write_fully(file.get(), content, kOperation, path);
}

Result<Effect> make_directory_once(std::string_view operation, const std::string& path,
                                   std::uint32_t mode) {
  if (::mkdir(path.c_str(), mode) != 0) {
    if (errno != EEXIST) return system_error(operation, path, errno);
    EntryFacts facts;
    if (const int error = read_facts(AT_FDCWD, path.c_str(), facts); error != 0)
      return system_error(operation, path, error);
    if (facts.is_directory()) return Effect::none;
    return fail(ErrorCode::exists, operation, path, "something else than a directory is there");
  }
  // The umask took bits away.
  if (::chmod(path.c_str(), mode) != 0)
    return system_error(operation, path, errno, "cannot set the mode");
  return Effect::changed;
}

/// Resolves `path` with `root` as the root directory.
Result<UniqueFd> open_inside(std::string_view operation, const std::string& root,
                             const std::string& path, int flags) {
  TH_TRY(check_path(operation, root));
  TH_TRY(check_path(operation, path));
  UniqueFd top(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!top) return system_error(operation, root, errno, "cannot open the root directory");
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  long fd = 0;
  do {  // EAGAIN: something was renamed meanwhile, the kernel is not sure that it stayed inside
    fd = ::syscall(SYS_openat2, top.get(), path.c_str(), &how, sizeof how);
  } while (fd < 0 && (errno == EAGAIN || errno == EINTR));
  if (fd < 0) return system_error(operation, root + path, errno, "cannot open");
  return UniqueFd(static_cast<int>(fd));
}

class LinuxFiles final : public Files {
 public:
  Result<std::string> read(const std::string& path, Bytes most) override {
    constexpr auto kOperation = "files.read";
    TH_TRY(check_path(kOperation, path));
    UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!file) return system_error(kOperation, path, errno, "cannot open");
    TH_TRY(check_regular(file.get(), kOperation, path));
    return read_to_end(file.get(), most, kOperation, path);
  }

  Status write(const std::string& path, std::string_view content, std::uint32_t mode) override {
    return within_project(path, content.size(), [&] { return write_once(path, content, mode); });
  }

  Status append(const std::string& path, std::string_view content, std::uint32_t mode) override {
    constexpr auto kOperation = "files.append";
    auto file = within_project(path, content.size(), [&] {
      return open_for_writing(kOperation, path, O_APPEND, mode);
    });
    if (!file) return std::move(file).error();
    // Not repeated: a part may have been written.
    Status written = write_fully(file->get(), content, kOperation, path);
    if (written || written.error().code != ErrorCode::no_space ||
        project_room(path, content.size()) != ProjectRoom::full)
      return written;
    return quota_refusal(std::move(written).error());
  }

  Status sync(const std::string& path) override {
    constexpr auto kOperation = "files.sync";
    TH_TRY(check_path(kOperation, path));
    UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!file) return system_error(kOperation, path, errno, "cannot open");
    if (::fsync(file.get()) != 0) return system_error(kOperation, path, errno, "cannot sync");
    return {};
  }

  Result<std::optional<FileInfo>> stat(const std::string& path) override {
    constexpr auto kOperation = "files.stat";
    TH_TRY(check_path(kOperation, path));
    EntryFacts facts;
    if (const int error = read_facts(AT_FDCWD, path.c_str(), facts); error != 0) {
      if (error == ENOENT) return std::nullopt;
      return system_error(kOperation, path, error);
    }
    FileInfo info;
    info.kind = facts.kind();
    info.size = {facts.size};
    info.allocated = {facts.blocks * kSectorSize};
    info.mode = facts.mode & 07777U;
    info.uid = facts.uid;
    info.gid = facts.gid;
    info.inode = facts.inode;
    info.links = facts.links;
    info.modified = WallTime(seconds(facts.modified.tv_sec) + nanoseconds(facts.modified.tv_nsec));
    return info;
  }

  Result<std::vector<DirectoryEntry>> list(const std::string& path) override {
    constexpr auto kOperation = "files.list";
    TH_TRY(check_path(kOperation, path));
    const std::unique_ptr<DIR, CloseDirectory> directory(::opendir(path.c_str()));
    if (!directory) return system_error(kOperation, path, errno);
    std::vector<DirectoryEntry> entries;
    for (;;) {
      errno = 0;
      const dirent* found = ::readdir(directory.get());
      if (found == nullptr) break;
      const std::string name = found->d_name;
      if (name == "." || name == "..") continue;
      if (found->d_type != DT_UNKNOWN) {
        entries.push_back({name, kind_of_mode(DTTOIF(static_cast<std::uint32_t>(found->d_type)))});
        continue;
      }
      EntryFacts facts;  // the file system does not tell kinds in its directories
      const int error = read_facts(::dirfd(directory.get()), name.c_str(), facts);
      if (error == ENOENT) continue;
      if (error != 0) return system_error(kOperation, path + "/" + name, error);
      entries.push_back({name, facts.kind()});
    }
    if (errno != 0) return system_error(kOperation, path, errno, "cannot list");
    std::ranges::sort(entries, {}, &DirectoryEntry::name);
    return entries;
  }

  Result<Effect> make_directory(const std::string& path, std::uint32_t mode) override {
    constexpr auto kOperation = "files.make_directory";
    TH_TRY(check_path(kOperation, path));
    TH_TRY(check_mode(kOperation, path, mode));
    return within_project(path, 0, [&] { return make_directory_once(kOperation, path, mode); });
  }

  Result<Effect> remove(const std::string& path) override {
    constexpr auto kOperation = "files.remove";
    TH_TRY(check_path(kOperation, path));
    EntryFacts facts;
    int error = read_facts(AT_FDCWD, path.c_str(), facts);
    if (error == 0 &&
        ::unlinkat(AT_FDCWD, path.c_str(), facts.is_directory() ? AT_REMOVEDIR : 0) != 0)
      error = errno;
    if (error == ENOENT) return Effect::none;
    if (error != 0) return system_error(kOperation, path, error, "cannot remove");
    return Effect::changed;
  }

  Status rename(const std::string& from, const std::string& to) override {
    constexpr auto kOperation = "files.rename";
    TH_TRY(check_path(kOperation, from));
    TH_TRY(check_path(kOperation, to));
    if (::rename(from.c_str(), to.c_str()) == 0) return {};
    // POSIX lets EEXIST stand for a directory that is not empty.
    const ErrorCode code = errno == EEXIST ? ErrorCode::not_empty : code_of(errno);
    return system_error(code, kOperation, from, errno, "cannot rename to " + to);
  }

  Status hard_link(const std::string& existing, const std::string& name) override {
    constexpr auto kOperation = "files.hard_link";
    TH_TRY(check_path(kOperation, existing));
    TH_TRY(check_path(kOperation, name));
    if (::link(existing.c_str(), name.c_str()) == 0) return {};
    return system_error(kOperation, name, errno, "cannot link to " + existing);
  }

  Status make_symlink(const std::string& target, const std::string& path) override {
    constexpr auto kOperation = "files.make_symlink";
    TH_TRY(check_path(kOperation, path));
    if (target.empty() || target.find('\0') != std::string::npos) {
      return fail(ErrorCode::invalid_argument, kOperation, path,
                  "the target is empty or holds a NUL byte");
    }
    return within_project(path, 0, [&]() -> Status {
      if (::symlink(target.c_str(), path.c_str()) == 0) return {};
      return system_error(kOperation, path, errno, "cannot make the symbolic link");
    });
  }

  Result<std::string> read_symlink(const std::string& path) override {
    constexpr auto kOperation = "files.read_symlink";
    TH_TRY(check_path(kOperation, path));
    return read_link_at(AT_FDCWD, path, kOperation, path);
  }

  Status set_mode(const std::string& path, std::uint32_t mode) override {
    constexpr auto kOperation = "files.set_mode";
    TH_TRY(check_path(kOperation, path));
    TH_TRY(check_mode(kOperation, path, mode));
    // chmod(2) follows links; through this descriptor it reaches exactly what was looked at.
    UniqueFd place(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!place) return system_error(kOperation, path, errno);
    EntryFacts facts;
    if (const int error = read_facts(place.get(), facts); error != 0)
      return system_error(kOperation, path, error);
    if (facts.is_symlink()) {
      return fail(ErrorCode::not_supported, kOperation, path,
                  "a symbolic link has no mode of its own on Linux");
    }
    const std::string through = "/proc/self/fd/" + std::to_string(place.get());
    if (::chmod(through.c_str(), mode) != 0) return system_error(kOperation, path, errno);
    return {};
  }

  Status set_owner(const std::string& path, Ownership owner) override {
    constexpr auto kOperation = "files.set_owner";
    TH_TRY(check_path(kOperation, path));
    if (::lchown(path.c_str(), owner.uid, owner.gid) == 0) return {};
    return system_error(kOperation, path, errno);
  }

  Result<Effect> remove_tree(const std::string& path) override {
    constexpr auto kOperation = "files.remove_tree";
    TH_TRY(check_path(kOperation, path));
    return linux_backend::remove_tree(clean_path(path), kOperation);
  }

  Result<TreeSize> copy_tree(const std::string& from, const std::string& to) override {
    constexpr auto kOperation = "files.copy_tree";
    TH_TRY(check_path(kOperation, from));
    TH_TRY(check_path(kOperation, to));
    return linux_backend::copy_tree(clean_path(from), clean_path(to), kOperation);
  }

  Result<TreeSize> measure_tree(const std::string& path) override {
    constexpr auto kOperation = "files.measure_tree";
    TH_TRY(check_path(kOperation, path));
    return linux_backend::measure_tree(clean_path(path), kOperation);
  }

  Result<std::string> digest_tree(const std::string& path) override {
    constexpr auto kOperation = "files.digest_tree";
    TH_TRY(check_path(kOperation, path));
    return linux_backend::digest_tree(clean_path(path), kOperation);
  }

  Result<std::string> read_inside(const std::string& root, const std::string& path,
                                  Bytes most) override {
    constexpr auto kOperation = "files.read_inside";
    TH_ASSIGN(const UniqueFd file,
              open_inside(kOperation, root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
    TH_TRY(check_regular(file.get(), kOperation, root + path));
    return read_to_end(file.get(), most, kOperation, root + path);
  }

  Result<bool> exists_inside(const std::string& root, const std::string& path) override {
    const auto found = open_inside("files.exists_inside", root, path, O_PATH);
    if (found) return true;
    const Error& error = found.error();
    // Not for the root itself: that one must be there.
    if (error.object != root && (error.sys_errno == ENOENT || error.sys_errno == ENOTDIR))
      return false;
    return error;
  }
};

}  // namespace

std::unique_ptr<Files> make_files(const NodeOptions&) {
  return std::make_unique<LinuxFiles>();
}

}  // namespace twinhull::linux_backend
