// Quota trees as ext4 images.
#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>

#include "backends/linux/errno_error.h"
#include "backends/linux/file/entry.h"
#include "backends/linux/file/path.h"
#include "backends/linux/loop_device.h"
#include "backends/linux/mount_table.h"
#include "backends/linux/quota/tree_store.h"
#include "backends/linux/run_tool.h"
#include "backends/linux/unique_fd.h"

namespace twinhull::linux_backend {
namespace {

/// mkfs.ext4 makes nothing useful below this.
constexpr std::uint64_t kLeastImage = std::uint64_t{4} << 20;
constexpr std::uint64_t kRounding = std::uint64_t{1} << 20;
/// Inodes 1…10 are ext4's own; number 2 is the tree's top, which counts as one of ours.
constexpr std::uint64_t kReservedInodes = 9;

Result<bool> is_mounted(std::string_view operation, const std::string& path) {
  TH_ASSIGN(const auto real, real_path(path, operation));
  TH_ASSIGN(const auto mounts, read_mount_table(operation));
  for (const MountEntry& mount : mounts)
    if (mount.target == real) return true;
  return false;
}

Status mount_image(std::string_view operation, const std::string& path) {
  TH_ASSIGN(const bool mounted, is_mounted(operation, path));
  if (mounted) return {};
  TH_ASSIGN(const LoopDevice device, attach_loop(image_path(path), operation));
  if (::mount(device.path.c_str(), path.c_str(), "ext4", 0, nullptr) != 0)
    return system_error(operation, path, errno, "cannot mount the tree's image");
  if (::mount(nullptr, path.c_str(), nullptr, MS_PRIVATE, nullptr) != 0)
    return system_error(operation, path, errno, "cannot keep the mount to this namespace");
  return {};
}

Status unmount_image(std::string_view operation, const std::string& path) {
  if (::umount2(path.c_str(), UMOUNT_NOFOLLOW) == 0 || errno == EINVAL) return {};
  return system_error(operation, path, errno, "cannot unmount the tree's image");
}

Status set_file_size(std::string_view operation, const std::string& file, std::uint64_t size) {
  UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return system_error(operation, file, errno, "cannot open the image");
  if (::ftruncate(fd.get(), static_cast<off_t>(size)) != 0)
    return system_error(operation, file, errno, "cannot size the image");
  return {};
}

/// Makes a file system in a new file and puts it in the place of the image at once.
Status make_file_system(std::string_view operation, const std::string& path, std::uint64_t size,
                        std::uint64_t inodes) {
  const std::string fresh = image_path(path) + ".new";
  if (::unlink(fresh.c_str()) != 0 && errno != ENOENT)
    return system_error(operation, fresh, errno, "cannot remove an old attempt");
  TH_TRY(set_file_size(operation, fresh, size));
  // No reserved blocks: inside a container nobody is the file system's root.
  std::vector<std::string> argv = {"mkfs.ext4", "-q", "-F", "-m0", "-Enodiscard"};
  if (inodes != kUnlimited) {
    argv.push_back("-N");
    argv.push_back(std::to_string(inodes + kReservedInodes));
  }
  argv.push_back(fresh);
  if (const Status made = run_tool_well(argv, operation, path); !made) {
    ::unlink(fresh.c_str());  // the error that counts is the other one
    return made;
  }
  UniqueFd file(::open(fresh.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file || ::fsync(file.get()) != 0)
    return system_error(operation, fresh, errno, "cannot sync the image");
  if (::rename(fresh.c_str(), image_path(path).c_str()) != 0)
    return system_error(operation, fresh, errno, "cannot put the image in its place");
  return {};
}

/// The tree shall be empty; e2fsck makes the directory again when it needs it.
Status drop_lost_and_found(std::string_view operation, const std::string& path) {
  const std::string directory = path + "/lost+found";
  if (::rmdir(directory.c_str()) == 0 || errno == ENOENT || errno == ENOTEMPTY) return {};
  return system_error(operation, directory, errno, "cannot remove");
}

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

Result<bool> is_empty(std::string_view operation, const std::string& path) {
  const std::unique_ptr<DIR, CloseDirectory> directory(::opendir(path.c_str()));
  if (!directory) return system_error(operation, path, errno);
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != ".." && name != "lost+found") return false;
  }
  return true;
}

std::uint64_t round_up(std::uint64_t bytes) {
  const std::uint64_t rounded = (bytes + kRounding - 1) / kRounding * kRounding;
  return std::max(rounded, kLeastImage);
}

class ImageStore final : public TreeStore {
 public:
  explicit ImageStore(const NodeOptions& options) : options_(options) {}

  Status create(const std::string& path) override {
    constexpr auto kOperation = "quotas.create_tree";
    if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST)
      return system_error(kOperation, path, errno, "cannot make the directory");
    TH_TRY(make_file_system(kOperation, path, round_up(options_.image_size.value), kUnlimited));
    TH_TRY(mount_image(kOperation, path));
    return drop_lost_and_found(kOperation, path);
  }

  Status revive(const std::string& path) override {
    constexpr auto kOperation = "quotas.create_tree";
    if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST)
      return system_error(kOperation, path, errno, "cannot make the directory");
    return mount_image(kOperation, path);
  }

  Result<TreeLimit> set_limit(const std::string& path, TreeLimit limit) override {
    constexpr auto kOperation = "quotas.set_limit";
    TH_TRY(mount_image(kOperation, path));
    TH_ASSIGN(const std::uint64_t present, image_size(kOperation, path));
    const std::uint64_t wished = limit.bytes.value == kUnlimited
                                     ? std::max(present, round_up(options_.image_size.value))
                                     : round_up(limit.bytes.value);
    TH_ASSIGN(const TreeUsage before, usage(path));
    TH_ASSIGN(const bool empty, is_empty(kOperation, path));
    const bool new_inodes =
        limit.inodes.value != kUnlimited && limit.inodes != before.limit.inodes && empty;
    if (new_inodes || wished != present) {
      TH_TRY(leave(kOperation, path));
      // An empty tree gets a new file system: that sets the number of inodes, and a journal that
      // fits the size.
      const Status changed = empty ? make_file_system(kOperation, path, wished, limit.inodes.value)
                                   : resize(kOperation, path, present, wished);
      TH_TRY(mount_image(kOperation, path));
      TH_TRY(drop_lost_and_found(kOperation, path));
      TH_TRY(changed);
    }
    TH_ASSIGN(const TreeUsage after, usage(path));
    return after.limit;
  }

  Result<TreeUsage> usage(const std::string& path) override {
    constexpr auto kOperation = "quotas.usage";
    TH_TRY(mount_image(kOperation, path));
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return system_error(kOperation, path, errno);
    // Blocks of data that was not written yet are not taken yet.
    if (::syncfs(fd.get()) != 0) return system_error(kOperation, path, errno, "cannot sync");
    struct statvfs space{};
    if (::fstatvfs(fd.get(), &space) != 0) return system_error(kOperation, path, errno);
    TreeUsage usage;
    usage.bytes = {(space.f_blocks - space.f_bfree) * space.f_frsize};
    usage.inodes = {space.f_files - space.f_ffree - kReservedInodes};
    usage.limit.bytes = {space.f_blocks * space.f_frsize};
    usage.limit.inodes = {space.f_files - kReservedInodes};
    return usage;
  }

  Status remove(const std::string& path) override {
    constexpr auto kOperation = "quotas.remove_tree";
    if (::access(path.c_str(), F_OK) == 0) TH_TRY(unmount_image(kOperation, path));
    // The image first: without it the empty directory is nobody's tree.
    if (::unlink(image_path(path).c_str()) != 0)
      return system_error(kOperation, path, errno, "cannot remove the image");
    if (::rmdir(path.c_str()) != 0 && errno != ENOENT)
      return system_error(kOperation, path, errno, "cannot remove the mount point");
    return {};
  }

  Status rename(const std::string& from, const std::string& to) override {
    constexpr auto kOperation = "quotas.rename_tree";
    TH_TRY(unmount_image(kOperation, from));
    if (::mkdir(to.c_str(), 0755) != 0)
      return system_error(kOperation, to, errno, "cannot make the mount point");
    if (::rename(image_path(from).c_str(), image_path(to).c_str()) != 0) {
      const int error = errno;
      ::rmdir(to.c_str());
      TH_TRY(mount_image(kOperation, from));
      return system_error(kOperation, from, error, "cannot rename to " + to);
    }
    if (::rmdir(from.c_str()) != 0)
      return system_error(kOperation, from, errno, "cannot remove the old mount point");
    return mount_image(kOperation, to);
  }

 private:
  static Result<std::uint64_t> image_size(std::string_view operation, const std::string& path) {
    EntryFacts facts;
    if (const int error = read_facts(AT_FDCWD, image_path(path).c_str(), facts); error != 0)
      return system_error(operation, path, error, "cannot look at the image");
    return facts.size;
  }

  static Status leave(std::string_view operation, const std::string& path) {
    Status left = unmount_image(operation, path);
    if (!left && left.error().code == ErrorCode::busy)
      left.error().hint = "stop what uses the tree: an image is resized while it is not mounted";
    return left;
  }

  /// Precondition: not mounted.
  static Status resize(std::string_view operation, const std::string& path, std::uint64_t present,
                       std::uint64_t wished) {
    const std::string image = image_path(path);
    // resize2fs wants a check first. 1: errors were found and mended.
    TH_ASSIGN(const ToolOutcome check, run_tool({"e2fsck", "-f", "-p", image}, operation));
    if (check.exit_code > 1)
      return fail(ErrorCode::corrupt, operation, path, "e2fsck: " + check.last_line());
    if (wished > present) TH_TRY(set_file_size(operation, image, wished));
    TH_ASSIGN(const ToolOutcome outcome,
              run_tool({"resize2fs", image, std::to_string(wished / 1024) + "K"}, operation));
    if (outcome.exit_code != 0) {
      if (wished > present) TH_TRY(set_file_size(operation, image, present));
      return fail(wished < present ? ErrorCode::busy : ErrorCode::failed, operation, path,
                  "the image cannot be resized: " + outcome.last_line())
          .with_hint("remove files of the tree first");
    }
    if (wished < present) TH_TRY(set_file_size(operation, image, wished));
    return {};
  }

  const NodeOptions& options_;
};

}  // namespace

std::unique_ptr<TreeStore> make_image_store(const NodeOptions& options) {
  return std::make_unique<ImageStore>(options);
}

bool is_image_tree(const std::string& path) {
  EntryFacts facts;
  return read_facts(AT_FDCWD, image_path(path).c_str(), facts) == 0 && facts.is_regular();
}

}  // namespace twinhull::linux_backend
