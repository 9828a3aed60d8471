#include "backends/sim/files/mount_table.h"

#include <algorithm>

#include "backends/sim/process/process_table.h"

namespace twinhull::sim {
namespace {

std::string_view type_name(Mount::Type type) {
  switch (type) {
    case Mount::Type::root: return "simfs";
    case Mount::Type::bind: return "bind";
    case Mount::Type::overlay: return "overlay";
    case Mount::Type::tmpfs: return "tmpfs";
  }
  return "unknown";
}

}  // namespace

MountTable::MountTable(Node& node) : node_(node) {
  Mount root;
  root.type = Mount::Type::root;
  root.target = "/";
  root.root = node.files->root();
  mounts_.emplace(0, std::move(root));
}

void MountTable::power_off() {
  // The file store swept its pins and marks already.
  Mount root = std::move(mounts_.at(0));
  mounts_.clear();
  root.root = node_.files->root();
  mounts_.emplace(0, std::move(root));
  covers_.clear();
  cover_counts_.clear();
  uppers_.clear();
  by_target_.clear();
  children_.clear();
  dependents_.clear();
  fs_users_.clear();
  detached_.clear();
}

std::optional<MountId> MountTable::covering(MountId mount, InodeId directory) const {
  const auto found = covers_.find(key(mount, directory));
  if (found == covers_.end()) return std::nullopt;
  return found->second;
}

bool MountTable::upper_in_use(InodeId upper) const {
  return uppers_.contains(upper);
}

void MountTable::count_users(const Mount& mount, MountId id, bool more) {
  const auto adjust = [more](auto& counts, auto key) {
    if (more) {
      ++counts[key];
    } else if (--counts[key] == 0) {
      counts.erase(key);
    }
  };
  if (mount.overlay != 0 && mount.overlay != id) adjust(dependents_, mount.overlay);
  const auto count_fs = [&](InodeId directory) {
    const std::uint16_t fs = node_.files->at(directory).fs;
    if (fs != 0) adjust(fs_users_, fs);
  };
  count_fs(mount.root);
  for (const InodeId lower : mount.lowers) count_fs(lower);
}

void MountTable::index(MountId id) {
  const Mount& mount = mounts_.at(id);
  FileStore& files = *node_.files;
  count_users(mount, id, true);
  files.pin(mount.root);
  if (mount.work != 0) files.pin(mount.work);
  for (const InodeId lower : mount.lowers) files.pin(lower);
  if (mount.type == Mount::Type::overlay) ++uppers_[mount.root];
  if (!mount.attached) {
    detached_.push_back(id);
    return;
  }
  files.pin(mount.covered);
  covers_[key(mount.parent, mount.covered)] = id;
  ++cover_counts_[mount.covered];
  files.mark_mount_point(mount.covered, true);
  by_target_[mount.target].push_back(id);
  ++children_[mount.parent];
}

MountId MountTable::add(Mount mount) {
  collect_detached();
  const MountId id = next_++;
  if (mount.type == Mount::Type::overlay) mount.overlay = id;
  mounts_.emplace(id, std::move(mount));
  index(id);
  return id;
}

void MountTable::detach(MountId id) {
  // Those on top of it go first (lazy unmount of a tree).
  if (has_children(id)) {
    std::vector<MountId> inside;
    for (const auto& [child, mount] : mounts_) {
      if (child != 0 && mount.attached && mount.parent == id) inside.push_back(child);
    }
    for (const MountId child : inside) detach(child);
  }
  Mount& mount = mounts_.at(id);
  mount.attached = false;
  covers_.erase(key(mount.parent, mount.covered));
  if (--cover_counts_[mount.covered] == 0) {
    cover_counts_.erase(mount.covered);
    node_.files->mark_mount_point(mount.covered, false);
  }
  node_.files->unpin(mount.covered);
  auto& same_target = by_target_[mount.target];
  std::erase(same_target, id);
  if (same_target.empty()) by_target_.erase(mount.target);
  if (--children_[mount.parent] == 0) children_.erase(mount.parent);
  detached_.push_back(id);
  collect_detached();
}

void MountTable::collect_detached() {
  const auto unused = [this](MountId id) {
    if (node_.processes && node_.processes->uses_mount(id)) return false;
    // Binds of its parts and overlays on top of it need it.
    if (dependents_.contains(id)) return false;
    const Mount& mount = mounts_.at(id);
    return mount.type != Mount::Type::tmpfs || fs_users_.at(mount.fs) == 1;
  };
  bool again = true;
  while (again && !detached_.empty()) {
    again = false;
    const auto pending = detached_;
    for (const MountId id : pending) {
      if (!unused(id)) continue;
      std::erase(detached_, id);
      forget(id);
      again = true;
    }
  }
}

void MountTable::forget(MountId id) {
  const Mount mount = std::move(mounts_.at(id));
  mounts_.erase(id);
  FileStore& files = *node_.files;
  count_users(mount, id, false);
  if (mount.type == Mount::Type::overlay && --uppers_[mount.root] == 0) uppers_.erase(mount.root);
  files.unpin(mount.root);
  if (mount.work != 0) files.unpin(mount.work);
  for (const InodeId lower : mount.lowers) files.unpin(lower);
  if (mount.type == Mount::Type::tmpfs) files.drop_tmpfs(mount.fs);
}

bool MountTable::has_children(MountId id) const {
  return children_.contains(id);
}

std::vector<MountId> MountTable::below(std::string_view prefix) const {
  std::vector<MountId> found;
  // "/a" is followed by "/a!x" and only then by "/a/x": both runs are looked at by their ends.
  if (const auto exact = by_target_.find(prefix); exact != by_target_.end()) {
    found = exact->second;
  }
  std::string inside(prefix);
  if (inside != "/") inside += '/';
  for (auto at = by_target_.upper_bound(inside);
       at != by_target_.end() && at->first.starts_with(inside); ++at) {
    found.insert(found.end(), at->second.begin(), at->second.end());
  }
  if (prefix == "/") found.push_back(0);
  std::sort(found.begin(), found.end());
  return found;
}

void MountTable::copied_up(MountId mount, InodeId before, InodeId after) {
  // Every mount that shows this overlay may have something mounted on the directory.
  const std::uint32_t overlay = mounts_.at(mount).overlay;
  if (!cover_counts_.contains(before)) return;
  for (auto& [id, child] : mounts_) {
    if (id == 0 || !child.attached || child.covered != before) continue;
    if (mounts_.at(child.parent).overlay != overlay) continue;
    covers_.erase(key(child.parent, before));
    covers_[key(child.parent, after)] = id;
    child.covered = after;
    node_.files->pin(after);
    node_.files->mark_mount_point(after, true);
    ++cover_counts_[after];
    if (--cover_counts_[before] == 0) {
      cover_counts_.erase(before);
      node_.files->mark_mount_point(before, false);
    }
    node_.files->unpin(before);
  }
}

void MountTable::renamed(const std::string& from, const std::string& to) {
  for (const MountId id : below(from)) {
    Mount& mount = mounts_.at(id);
    auto& same_target = by_target_[mount.target];
    std::erase(same_target, id);
    if (same_target.empty()) by_target_.erase(mount.target);
    mount.target = to + mount.target.substr(from.size());
    auto& moved = by_target_[mount.target];
    moved.insert(std::upper_bound(moved.begin(), moved.end(), id), id);
  }
}

MountInfo MountTable::info(MountId id) const {
  const Mount& mount = mounts_.at(id);
  MountInfo info;
  info.target = mount.target;
  info.type = type_name(mount.type);
  info.source = mount.type == Mount::Type::bind ? mount.source : info.type;
  info.read_only = mount.read_only;
  return info;
}

void MountTable::save(SaveArchive& archive) const {
  archive(next_, static_cast<std::uint32_t>(mounts_.size() - 1));
  for (const auto& [id, mount] : mounts_) {
    if (id != 0) archive(id, mount);
  }
}

void MountTable::load(LoadArchive& archive) {
  const FileStore& files = *node_.files;
  mounts_.at(0).root = files.root();
  const auto directory = [&](InodeId id) {
    return id != 0 && id < files.inode_count() && files.at(id).directory != nullptr;
  };
  std::uint32_t count = 0;
  archive(next_, count);
  for (std::uint32_t i = 0; i < count; ++i) {
    MountId id = 0;
    Mount mount;
    archive(id, mount);
    require_sane(id != 0 && id < next_, "a mount has an impossible number");
    require_sane(mount.type <= Mount::Type::tmpfs && mount.type != Mount::Type::root,
                 "a mount is of no known type");
    require_sane(directory(mount.root), "a mount has no root");
    require_sane(mount.work == 0 || directory(mount.work), "a mount has no work directory");
    for (const InodeId lower : mount.lowers)
      require_sane(directory(lower), "a mount lacks a layer");
    require_sane((mount.type == Mount::Type::overlay) == (mount.overlay == id),
                 "an overlay is of the wrong mount");
    require_sane(
        mount.type != Mount::Type::tmpfs || (mount.fs != 0 && files.at(mount.root).fs == mount.fs &&
                                             files.system(mount.fs).root == mount.root),
        "a memory file system has no root");
    require_sane(mount.inner.empty() || mount.inner[0] == '/', "a mount shows an impossible part");
    require_sane(!mount.target.empty() && mount.target[0] == '/', "a mount has no target");
    require_sane(mounts_.try_emplace(id, std::move(mount)).second, "two mounts have one number");
  }
  for (const auto& [id, mount] : mounts_) {
    if (id == 0) continue;
    if (mount.overlay != 0) {
      const auto made = mounts_.find(mount.overlay);
      require_sane(made != mounts_.end() && made->second.type == Mount::Type::overlay,
                   "a mount shows an overlay that is not there");
    }
    if (mount.attached) {
      require_sane(mounts_.contains(mount.parent) && mount.parent < id && directory(mount.covered),
                   "a mount is mounted nowhere");
      require_sane(!covers_.contains(key(mount.parent, mount.covered)), "two mounts in one place");
    }
    index(id);
  }
  // Each memory file system belongs to one mount.
  std::vector<std::uint16_t> memory;
  for (const auto& [id, mount] : mounts_) {
    if (mount.type == Mount::Type::tmpfs) memory.push_back(mount.fs);
  }
  std::sort(memory.begin(), memory.end());
  require_sane(std::adjacent_find(memory.begin(), memory.end()) == memory.end(),
               "two mounts own one memory file system");
}

Status MountTable::check() const {
  for (const auto& [id, mount] : mounts_) {
    if (!node_.files->at(mount.root).used) {
      return fail(ErrorCode::corrupt, "world.check", mount.target,
                  "a mount lost its root directory");
    }
  }
  return {};
}

}  // namespace twinhull::sim
