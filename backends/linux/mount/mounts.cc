#include "backends/linux/mount/mounts.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "backends/linux/errno_error.h"
#include "backends/linux/file/path.h"
#include "backends/linux/mount/overlay.h"
#include "backends/linux/mount_table.h"
#include "backends/linux/unique_fd.h"

namespace twinhull::linux_backend {
namespace {

/// The topmost mount at exactly `target`: the one made last.
std::optional<MountEntry> topmost(const std::vector<MountEntry>& table, const std::string& target) {
  for (auto entry = table.rbegin(); entry != table.rend(); ++entry)
    if (entry->target == target) return *entry;
  return std::nullopt;
}

/// Bound directory as a path of the node: where the same file system is mounted as a whole, plus
/// the part of it that is bound.
std::string bound_path(const std::vector<MountEntry>& table, const MountEntry& bind) {
  const MountEntry* best = nullptr;
  for (const MountEntry& entry : table) {
    if (entry.id == bind.id || entry.device != bind.device) continue;
    if (!is_at_or_below(bind.root, entry.root)) continue;
    // The mount that shows the most: the shortest root; of several, the oldest.
    if (best == nullptr || entry.root.size() < best->root.size()) best = &entry;
  }
  if (best == nullptr) return bind.root;
  const std::string rest = best->root == "/" ? bind.root : bind.root.substr(best->root.size());
  return clean_path(best->target + "/" + rest);
}

/// A mount that shows a part of a file system that another, older mount shows too. A btrfs
/// subvolume mounted by its option is not told apart from a bind of it: the kernel keeps no record.
bool is_bind(const std::vector<MountEntry>& table, const MountEntry& mount) {
  for (const MountEntry& entry : table) {
    if (entry.id == mount.id) return false;
    if (entry.device == mount.device && is_at_or_below(mount.root, entry.root)) return true;
  }
  return false;
}

MountInfo describe(const std::vector<MountEntry>& table, const MountEntry& entry) {
  MountInfo info;
  info.target = entry.target;
  info.read_only = entry.read_only();
  if (is_bind(table, entry)) {
    info.type = "bind";
    info.source = bound_path(table, entry);
  } else {
    info.type = entry.type;
    info.source = entry.source;
  }
  return info;
}

class LinuxMounts final : public Mounts {
 public:
  Status overlay(const std::string& target, const OverlaySpec& spec) override {
    constexpr auto kOperation = "mounts.overlay";
    TH_ASSIGN(const std::string place, free_mount_point(kOperation, target));
    for (const std::string& lower : spec.lowers) TH_TRY(check_layer(kOperation, lower));
    TH_TRY(check_layer(kOperation, spec.upper));
    TH_TRY(check_layer(kOperation, spec.work));
    return mount_overlay(kOperation, place, spec);
  }

  Status bind(const std::string& source, const std::string& target, bool read_only) override {
    constexpr auto kOperation = "mounts.bind";
    TH_TRY(check_layer(kOperation, source));
    TH_ASSIGN(const std::string place, free_mount_point(kOperation, target));
    if (::mount(source.c_str(), place.c_str(), nullptr, MS_BIND, nullptr) != 0)
      return system_error(kOperation, target, errno, "cannot bind " + source);
    TH_TRY(make_private(kOperation, place));
    if (!read_only) return {};
    // MS_BIND ignores MS_RDONLY at first: it takes a second call.
    if (::mount(nullptr, place.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr) != 0) {
      const int error = errno;
      ::umount2(place.c_str(), MNT_DETACH);  // the error that counts is the one above
      return system_error(kOperation, target, error, "cannot make the mount read-only");
    }
    return {};
  }

  Status tmpfs(const std::string& target, Bytes size) override {
    constexpr auto kOperation = "mounts.tmpfs";
    TH_ASSIGN(const std::string place, free_mount_point(kOperation, target));
    // The kernel reads 0 as "no limit".
    if (size.value == 0)
      return fail(ErrorCode::invalid_argument, kOperation, target, "the size is 0");
    const std::string options = size.value == kUnlimited
                                    ? "mode=0755,size=0"
                                    : "mode=0755,size=" + std::to_string(size.value);
    if (::mount("tmpfs", place.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) != 0)
      return system_error(kOperation, target, errno, "cannot mount a tmpfs");
    return make_private(kOperation, place);
  }

  Result<Effect> unmount(const std::string& target, bool lazy) override {
    constexpr auto kOperation = "mounts.unmount";
    TH_TRY(check_path(kOperation, target));
    if (::umount2(target.c_str(), UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0)
      return Effect::changed;
    const int error = errno;
    // EINVAL: not a mount point. ENOENT: not even a directory.
    if (error == EINVAL || error == ENOENT) return Effect::none;
    return system_error(kOperation, target, error, "cannot unmount");
  }

  Result<std::optional<MountInfo>> find(const std::string& target) override {
    constexpr auto kOperation = "mounts.find";
    TH_TRY(check_path(kOperation, target));
    auto real = real_path(target, kOperation);
    if (!real) {
      if (real.error().sys_errno == ENOENT) return std::nullopt;
      return real.error();
    }
    TH_ASSIGN(const auto table, read_mount_table(kOperation));
    const auto entry = topmost(table, *real);
    if (!entry) return std::nullopt;
    return describe(table, *entry);
  }

  Result<std::vector<MountInfo>> list(const std::string& prefix) override {
    constexpr auto kOperation = "mounts.list";
    TH_TRY(check_path(kOperation, prefix));
    std::string top = clean_path(prefix);
    if (auto real = real_path(top, kOperation)) top = *std::move(real);
    TH_ASSIGN(const auto table, read_mount_table(kOperation));
    std::vector<MountInfo> found;
    for (const MountEntry& entry : table)
      if (is_at_or_below(entry.target, top)) found.push_back(describe(table, entry));
    return found;
  }

 private:
  /// A directory where nothing is mounted; returns its path without links, as the table shows it.
  static Result<std::string> free_mount_point(std::string_view operation,
                                              const std::string& target) {
    TH_TRY(check_path(operation, target));
    TH_TRY(check_layer(operation, target));
    TH_ASSIGN(std::string place, real_path(target, operation));
    TH_ASSIGN(const auto table, read_mount_table(operation));
    if (topmost(table, place))
      return fail(ErrorCode::busy, operation, target, "something is mounted here already");
    return place;
  }

  static Status check_layer(std::string_view operation, const std::string& path) {
    TH_TRY(check_path(operation, path));
    UniqueFd fd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return system_error(operation, path, errno);
    return {};
  }

  /// Without this, mounts inside containers would show on the node where "/" is shared (systemd).
  static Status make_private(std::string_view operation, const std::string& place) {
    return make_mount_private(operation, place);
  }
};

}  // namespace

std::unique_ptr<Mounts> make_mounts(const NodeOptions&) {
  return std::make_unique<LinuxMounts>();
}

}  // namespace twinhull::linux_backend
