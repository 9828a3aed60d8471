#include "backends/sim/files/walker.h"

#include <algorithm>
#include <array>

namespace twinhull::sim {
namespace {

constexpr std::size_t kLongestName = 255;   // NAME_MAX
constexpr std::size_t kLongestPath = 4095;  // PATH_MAX
constexpr unsigned kMostLinks = 40;         // MAXSYMLINKS

// Takes the first component off `rest`, and the slashes behind it; empty when none is left.
std::string_view take_component(std::string_view& rest) {
  std::size_t begin = 0;
  while (begin < rest.size() && rest[begin] == '/') ++begin;
  std::size_t end = begin;
  while (end < rest.size() && rest[end] != '/') ++end;
  const std::string_view component = rest.substr(begin, end - begin);
  while (end < rest.size() && rest[end] == '/') ++end;
  rest.remove_prefix(end);
  return component;
}

}  // namespace

Spot Walker::child(const FileStore& files, const Spot& parent, std::string_view name) {
  Spot spot;
  spot.mount = parent.mount;
  bool merging = true;
  if (parent.upper != 0) {
    const InodeId id = files.lookup(parent.upper, name);
    if (parent.lowers.empty()) {
      // A plain file system, where whiteouts show as the devices that they are; or a directory of
      // an overlay that covers nothing, where there are none.
      spot.upper = id;
      return spot;
    }
    if (id != 0) {
      const Inode& inode = files.at(id);
      if (inode.whiteout) return spot;
      spot.upper = id;
      merging = inode.is_directory() && !inode.opaque;
    }
  }
  for (const InodeId lower : parent.lowers) {
    if (!merging) break;
    const InodeId id = files.lookup(lower, name);
    if (id == 0) continue;
    const Inode& inode = files.at(id);
    if (inode.whiteout) break;
    if (!inode.is_directory()) {
      if (spot.top() == 0) spot.lowers.push_back(id);
      break;
    }
    spot.lowers.push_back(id);
    merging = !inode.opaque;
  }
  return spot;
}

bool Walker::below_has(const FileStore& files, const Spot& parent, std::string_view name) {
  for (const InodeId lower : parent.lowers) {
    const InodeId id = files.lookup(lower, name);
    if (id != 0) return !files.at(id).whiteout;
  }
  return false;
}

std::map<std::string, Spot, std::less<>> Walker::merged(const FileStore& files, const Spot& spot) {
  std::map<std::string, Spot, std::less<>> names;
  const auto add = [&](InodeId directory) {
    for (const auto& [name, id] : files.at(directory).directory->names) {
      if (names.contains(name)) continue;
      Spot found = child(files, spot, name);
      if (found.top() != 0) names.emplace(name, std::move(found));
    }
  };
  if (spot.upper != 0) add(spot.upper);
  for (const InodeId lower : spot.lowers) add(lower);
  return names;
}

Status Walker::push_mount_root(MountId id, std::uint32_t parent, std::string_view name,
                               std::string_view path) {
  const Mount& mount = mounts_.at(id);
  Step step;
  step.spot.mount = id;
  step.name = name;
  step.parent = parent;
  if (mount.overlay == 0) {
    step.spot.upper = mount.root;
    steps_.push_back(std::move(step));
    return {};
  }
  const Mount& overlay = mounts_.at(mount.overlay);
  step.spot.upper = overlay.root;
  step.spot.lowers.assign(overlay.lowers.begin(), overlay.lowers.end());
  steps_.push_back(std::move(step));
  std::string_view rest = mount.inner;
  for (std::string_view part = take_component(rest); !part.empty(); part = take_component(rest)) {
    Step next;
    next.spot = child(files_, steps_.back().spot, part);
    next.name = part;
    next.parent = parent;
    if (next.spot.top() == 0) {
      return fail(ErrorCode::not_found, operation_, path, "the mounted directory was removed");
    }
    steps_.push_back(std::move(next));
  }
  return {};
}

Status Walker::enter_mounts(std::string_view path) {
  mount_root_ = false;
  while (files_.at(last().top()).mount_point) {
    const auto covering = mounts_.covering(last().mount, last().top());
    if (!covering) break;
    const std::uint32_t parent = steps_.back().parent;
    const std::string_view name = steps_.back().name;
    TH_TRY(push_mount_root(*covering, parent, name, path));
    mount_root_ = true;
  }
  return {};
}

void Walker::start_at_node() {
  steps_.clear();
  Step step;
  step.spot.upper = files_.root();
  step.parent = 0;
  steps_.push_back(std::move(step));
  floor_ = 0;
}

Status Walker::start(const FileRoot& root) {
  steps_.clear();
  if (!mounts_.known(root.mount)) {
    return fail(ErrorCode::not_found, operation_, "/", "the root file system is gone");
  }
  TH_TRY(push_mount_root(root.mount, 0, {}, "/"));
  std::string_view rest = root.inner;
  for (std::string_view part = take_component(rest); !part.empty(); part = take_component(rest)) {
    TH_TRY(step_into(part, root.inner));
    if (!found_ || !inode().is_directory()) {
      return fail(ErrorCode::not_found, operation_, "/", "the root directory was removed");
    }
  }
  confine();
  return {};
}

Status Walker::step_into(std::string_view name, std::string_view path) {
  if (name.size() > kLongestName) {
    return fail(ErrorCode::invalid_argument, operation_, path, "a name is longer than 255 bytes");
  }
  const Spot& above = steps_.back().spot;
  parent_ = steps_.size() - 1;
  name_ = name;
  mount_root_ = false;
  if (above.lowers.empty()) {  // as child() would, without making a spot to be moved
    const MountId mount = above.mount;
    const InodeId id = files_.lookup(above.upper, name);
    found_ = id != 0;
    if (!found_) return {};
    Spot& spot = steps_.emplace_back().spot;
    spot.mount = mount;
    spot.upper = id;
  } else {
    Spot spot = child(files_, above, name);
    found_ = spot.top() != 0;
    if (!found_) return {};
    steps_.emplace_back().spot = std::move(spot);
  }
  steps_.back().name = name;
  steps_.back().parent = static_cast<std::uint32_t>(parent_);
  if (inode().mount_point) return enter_mounts(path);
  return {};
}

Status Walker::check_path(std::string_view operation, std::string_view path) {
  if (path.empty() || path.front() != '/') {
    return fail(ErrorCode::invalid_argument, operation, path, "the path is not absolute");
  }
  for (std::size_t at = 2; at < path.size(); ++at) {
    if (path[at] == '.' && path[at - 1] == '.' && path[at - 2] == '/' &&
        (at + 1 == path.size() || path[at + 1] == '/')) {
      return fail(ErrorCode::invalid_argument, operation, path, "the path holds \"..\"");
    }
  }
  return {};
}

Status Walker::walk(std::string_view path, FinalLink final_link, DotDot dotdot) {
  if (dotdot == DotDot::refuse) TH_TRY(check_path(operation_, path));
  if (path.empty() || path.front() != '/') {
    return fail(ErrorCode::invalid_argument, operation_, path, "the path is not absolute");
  }
  if (path.size() > kLongestPath) {
    return fail(ErrorCode::invalid_argument, operation_, path,
                "the path is longer than 4095 bytes");
  }
  if (path.find('\0') != std::string_view::npos) {
    return fail(ErrorCode::invalid_argument, operation_, path, "the path holds a zero byte");
  }
  steps_.resize(floor_ + 1);
  found_ = true;
  name_ = {};
  parent_ = floor_;
  mount_root_ = false;
  if (floor_ == 0 && inode().mount_point) TH_TRY(enter_mounts(path));

  boost::container::small_vector<std::string_view, 4> pending{path};
  unsigned links = 0;
  while (!pending.empty()) {
    const std::string_view component = take_component(pending.back());
    if (component.empty()) {
      pending.pop_back();
      continue;
    }
    if (!inode().is_directory()) {
      return fail(ErrorCode::not_directory, operation_, path, "a part of the path is no directory");
    }
    if (component == ".") continue;
    if (component == "..") {
      if (steps_.size() - 1 > floor_) {
        steps_.resize(std::max<std::size_t>(steps_.back().parent, floor_) + 1);
      }
      name_ = steps_.back().name;
      parent_ = steps_.back().parent;
      continue;
    }
    TH_TRY(step_into(component, path));
    const bool is_last =
        std::all_of(pending.begin(), pending.end(), [](auto rest) { return rest.empty(); });
    if (!found_) {
      if (is_last) return {};
      return fail(ErrorCode::not_found, operation_, path, "a directory of the path does not exist");
    }
    if (inode().kind != FileKind::symlink || (is_last && final_link == FinalLink::keep)) continue;
    if (++links > kMostLinks) {
      return fail(ErrorCode::too_many_links, operation_, path,
                  "the symbolic links run in a circle");
    }
    const std::string_view target = inode().content.text();
    steps_.resize(parent_ + 1);
    if (target.empty()) {
      return fail(ErrorCode::not_found, operation_, path, "a symbolic link is empty");
    }
    if (target.front() == '/') {
      steps_.resize(floor_ + 1);
      if (floor_ == 0 && inode().mount_point) TH_TRY(enter_mounts(path));
    }
    name_ = {};
    mount_root_ = false;
    pending.push_back(target);
  }
  return {};
}

Result<InodeId> Walker::make_writable(std::size_t index, std::string_view path) {
  const MountId id = steps_[index].spot.mount;
  if (mounts_.at(id).read_only) {
    return fail(ErrorCode::read_only, operation_, path, "the file system is mounted read-only");
  }
  if (steps_[index].spot.upper != 0) return steps_[index].spot.upper;
  // The root of an overlay always has an upper directory, so this ends.
  TH_ASSIGN(const InodeId above, make_writable(index - 1, path));
  Step& step = steps_[index];
  const InodeId source_id = step.spot.lowers.front();
  const Inode& source = files_.at(source_id);
  FileStore::Birth birth{source.kind, source.mode, {source.uid, source.gid}, operation_, path};
  TH_ASSIGN(const InodeId copy, files_.create(above, step.name, birth));
  if (source.kind == FileKind::regular) {
    if (Status shared = files_.share_content(source.content, copy, operation_, path); !shared) {
      files_.unlink(above, step.name);
      return std::move(shared).error();
    }
  } else if (source.kind == FileKind::symlink) {
    files_.set_link_target(copy, source.content.text());
  }
  files_.set_modified(copy, source.modified);
  // The kernel syncs what it copied up before the copy gets its name (overlayfs).
  files_.sync(copy);
  step.spot.upper = copy;
  if (!source.is_directory()) step.spot.lowers.clear();
  mounts_.copied_up(id, source_id, copy);
  return copy;
}

std::string Walker::inner_path(std::size_t index) const {
  const MountId mount = steps_[index].spot.mount;
  std::size_t first = index;
  while (first > 0 && steps_[first - 1].spot.mount == mount) --first;
  std::string path;
  for (std::size_t i = first + 1; i <= index; ++i) {
    path += '/';
    path += steps_[i].name;
  }
  return path;
}

FileRoot Walker::root_here() const {
  const MountId mount = last().mount;
  std::string inner = inner_path(last_index());
  // The steps of a bind's own part of an overlay belong to the mount.
  inner.erase(0, std::min(inner.size(), mounts_.at(mount).inner.size()));
  return {mount, std::move(inner)};
}

}  // namespace twinhull::sim
