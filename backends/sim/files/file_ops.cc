#include "backends/sim/files/file_ops.h"

#include <algorithm>

namespace twinhull::sim {
namespace {

Error wrong_kind(const Inode& inode, std::string_view operation, std::string_view path) {
  if (inode.is_directory()) {
    return fail(ErrorCode::is_directory, operation, path,
                "a file was expected, this is a directory");
  }
  return fail(ErrorCode::invalid_argument, operation, path, "this is not a regular file");
}

Error missing(std::string_view operation, std::string_view path) {
  return fail(ErrorCode::not_found, operation, path, "no such file or directory");
}

Error taken(std::string_view operation, std::string_view path) {
  return fail(ErrorCode::exists, operation, path, "the name is taken");
}

Error mount_point(std::string_view operation, std::string_view path) {
  return fail(ErrorCode::busy, operation, path, "a file system is mounted here")
      .with_hint("unmount it first");
}

}  // namespace

FileInfo info_of(const FileStore& files, InodeId id) {
  const Inode& inode = files.at(id);
  FileInfo info;
  info.kind = inode.kind;
  info.size = {inode.is_directory() ? kBlockSize : inode.content.size()};
  info.allocated = {inode.blocks() * kBlockSize};
  info.mode = inode.mode;
  info.uid = inode.uid;
  info.gid = inode.gid;
  info.inode = id;
  info.links = inode.links;
  if (inode.is_directory()) info.links = 2;
  info.modified = inode.modified;
  return info;
}

Status FileOps::walk(Walker& walker, std::string_view path, FinalLink final_link) {
  if (root_ == nullptr) {
    walker.start_at_node();
  } else {
    TH_TRY(walker.start(*root_));
  }
  return walker.walk(path, final_link, dotdot_);
}

Result<std::string> FileOps::read(std::string_view path, std::uint64_t most, bool refuse_longer) {
  Walker walker(node_, "files.read");
  TH_TRY(walk(walker, path, FinalLink::follow));
  if (!walker.found()) return missing("files.read", path);
  const Inode& inode = walker.inode();
  if (inode.kind != FileKind::regular) return wrong_kind(inode, "files.read", path);
  if (refuse_longer && inode.content.size() > most) {
    return fail(ErrorCode::limit_exceeded, "files.read", path, "the file is too large to be read")
        .with_amounts(inode.content.size(), std::nullopt, most);
  }
  return inode.content.read(most);
}

Result<InodeId> FileOps::make(Walker& walker, std::string_view path, FileKind kind,
                              std::uint32_t mode, std::string_view operation) {
  FileStore& files = *node_.files;
  TH_ASSIGN(const InodeId parent, walker.make_writable(walker.parent(), path));
  const InodeId hidden = files.lookup(parent, walker.name());
  // Only a whiteout can be there: the name was not found.
  if (hidden != 0) files.unlink(parent, walker.name());
  Result<InodeId> made =
      files.create(parent, walker.name(), {kind, mode, Ownership{}, operation, path});
  if (!made) {
    if (hidden != 0) {  // the name below must stay hidden; its inode was just given back
      Result<InodeId> again =
          files.create(parent, walker.name(), {FileKind::device, 0, Ownership{}, operation, path});
      if (again) files.mark_whiteout(*again);
    }
    return made;
  }
  if (hidden != 0 && kind == FileKind::directory) files.mark_opaque(*made);
  node_.engine.note(operation, path, {static_cast<std::uint64_t>(kind), mode});
  return made;
}

Result<InodeId> FileOps::open_for_writing(std::string_view operation, std::string_view path,
                                          std::uint32_t mode) {
  Walker walker(node_, operation);
  TH_TRY(walk(walker, path, FinalLink::follow));
  if (!walker.found()) return make(walker, path, FileKind::regular, mode, operation);
  if (walker.inode().kind != FileKind::regular) return wrong_kind(walker.inode(), operation, path);
  return walker.make_writable(walker.last_index(), path);
}

Status FileOps::write(std::string_view path, std::string_view content, std::uint32_t mode) {
  TH_ASSIGN(const InodeId file, open_for_writing("files.write", path, mode));
  TH_TRY(node_.files->write(file, content, "files.write", path));
  node_.engine.note("files.write", path, {content.size()});
  return {};
}

Status FileOps::append(std::string_view path, std::string_view content, std::uint32_t mode) {
  TH_ASSIGN(const InodeId file, open_for_writing("files.append", path, mode));
  TH_TRY(node_.files->append(file, content, "files.append", path));
  node_.engine.note("files.append", path, {content.size()});
  return {};
}

Result<FileView::Grown> FileOps::append_synthetic(std::string_view path, std::uint64_t length,
                                                  std::uint64_t seed, std::uint32_t mode) {
  TH_ASSIGN(const InodeId file, open_for_writing("files.append", path, mode));
  FileView::Grown grown;
  grown.appended = {
      node_.files->append_synthetic(file, length, seed, "files.append", path, &grown.refusal)};
  node_.engine.note("files.append", path, {grown.appended.value, seed});
  return grown;
}

Status FileOps::truncate(std::string_view path, std::uint64_t size) {
  TH_ASSIGN(const InodeId file, open_for_writing("files.truncate", path, 0644));
  TH_TRY(node_.files->truncate(file, size, "files.truncate", path));
  node_.engine.note("files.truncate", path, {size});
  return {};
}

Result<std::uint64_t> FileOps::sync(std::string_view path) {
  Walker walker(node_, "files.sync");
  TH_TRY(walk(walker, path, FinalLink::follow));
  if (!walker.found()) return missing("files.sync", path);
  node_.engine.note("files.sync", path);
  const Spot& spot = walker.last();
  return spot.upper != 0 ? node_.files->sync(spot.upper) : 0;
}

Result<std::optional<FileInfo>> FileOps::stat(std::string_view path, FinalLink final_link) {
  Walker walker(node_, "files.stat");
  if (Status walked = walk(walker, path, final_link); !walked) {
    if (walked.error().code == ErrorCode::not_found) return std::optional<FileInfo>();
    return std::move(walked).error();
  }
  if (!walker.found()) return std::optional<FileInfo>();
  return std::optional<FileInfo>(info_of(*node_.files, walker.last().top()));
}

Result<std::vector<DirectoryEntry>> FileOps::list(std::string_view path) {
  Walker walker(node_, "files.list");
  TH_TRY(walk(walker, path, FinalLink::follow));
  if (!walker.found()) return missing("files.list", path);
  const FileStore& files = *node_.files;
  const Spot& spot = walker.last();
  if (!files.at(spot.top()).is_directory()) {
    return fail(ErrorCode::not_directory, "files.list", path, "a directory was expected");
  }
  std::vector<DirectoryEntry> entries;
  if (spot.lowers.empty()) {
    const auto& names = files.at(spot.upper).directory->names;
    entries.reserve(names.size());
    for (const auto& [name, id] : names) entries.push_back({name, files.at(id).kind});
  } else {
    for (const auto& [name, found] : Walker::merged(files, spot)) {
      entries.push_back({name, files.at(found.top()).kind});
    }
  }
  return entries;
}

Result<Effect> FileOps::make_directory(std::string_view path, std::uint32_t mode) {
  Walker walker(node_, "files.make_directory");
  TH_TRY(walk(walker, path, FinalLink::follow));
  if (walker.found()) {
    if (walker.inode().is_directory()) return Effect::none;
    return fail(ErrorCode::exists, "files.make_directory", path,
                "something that is no directory has this name");
  }
  TH_TRY(make(walker, path, FileKind::directory, mode, "files.make_directory"));
  return Effect::changed;
}

// Takes a name out of a directory and, where a lower layer shows it, hides it there.
Status FileOps::take_name(Walker& walker, std::size_t parent, const Spot& spot,
                          std::string_view name, std::string_view operation,
                          std::string_view path) {
  FileStore& files = *node_.files;
  const bool hide = Walker::below_has(files, walker.spot(parent), name);
  TH_ASSIGN(const InodeId directory, walker.make_writable(parent, path));
  if (spot.upper != 0) {
    // A merged directory that looks empty may hold whiteouts.
    if (files.at(spot.upper).is_directory()) {
      std::vector<std::string> hidden;
      for (const auto& [inside, id] : files.at(spot.upper).directory->names)
        hidden.push_back(inside);
      for (const std::string& inside : hidden) files.unlink(spot.upper, inside);
    }
    files.unlink(directory, name);
  }
  if (!hide) return {};
  TH_ASSIGN(const InodeId whiteout,
            files.create(directory, name, {FileKind::device, 0, Ownership{}, operation, path}));
  files.mark_whiteout(whiteout);
  return {};
}

Result<Effect> FileOps::remove(std::string_view path) {
  Walker walker(node_, "files.remove");
  if (Status walked = walk(walker, path, FinalLink::keep); !walked) {
    if (walked.error().code == ErrorCode::not_found) return Effect::none;
    return std::move(walked).error();
  }
  if (!walker.found()) return Effect::none;
  if (walker.at_mount_root() || walker.name().empty()) return mount_point("files.remove", path);
  const FileStore& files = *node_.files;
  const Spot spot = walker.last();
  if (files.at(spot.top()).is_directory()) {
    const bool empty = spot.lowers.empty() ? files.at(spot.upper).directory->names.empty()
                                           : Walker::merged(files, spot).empty();
    if (!empty)
      return fail(ErrorCode::not_empty, "files.remove", path, "the directory is not empty");
  }
  TH_TRY(take_name(walker, walker.parent(), spot, walker.name(), "files.remove", path));
  node_.engine.note("files.remove", path);
  return Effect::changed;
}

Status FileOps::rename(std::string_view from, std::string_view to) {
  constexpr std::string_view kOperation = "files.rename";
  FileStore& files = *node_.files;
  Walker source(node_, kOperation);
  TH_TRY(walk(source, from, FinalLink::keep));
  if (!source.found()) return missing(kOperation, from);
  Walker target(node_, kOperation);
  TH_TRY(walk(target, to, FinalLink::keep));
  if (source.name().empty() || target.name().empty()) return mount_point(kOperation, from);
  // As rename(2): across mounts first, then what the names are.
  if (source.spot(source.parent()).mount != target.spot(target.parent()).mount) {
    return fail(ErrorCode::cross_device, kOperation, to,
                "the two paths are on different file systems");
  }
  if (source.at_mount_root()) return mount_point(kOperation, from);
  if (target.at_mount_root()) return mount_point(kOperation, to);
  const Spot moved = source.last();
  const bool directory = files.at(moved.top()).is_directory();
  if (directory) {
    for (std::size_t i = 0; i <= target.parent(); ++i) {
      if (target.spot(i).top() == moved.top() && target.spot(i).mount == moved.mount) {
        return fail(ErrorCode::invalid_argument, kOperation, to,
                    "a directory cannot be moved into itself");
      }
    }
  }
  if (target.found()) {
    const Spot& old = target.last();
    if (old.top() == moved.top()) return {};
    const bool old_directory = files.at(old.top()).is_directory();
    if (directory && !old_directory) {
      return fail(ErrorCode::not_directory, kOperation, to, "a directory cannot replace a file");
    }
    if (!directory && old_directory) {
      return fail(ErrorCode::is_directory, kOperation, to, "a file cannot replace a directory");
    }
    if (old_directory) {
      const bool empty = old.lowers.empty() ? files.at(old.upper).directory->names.empty()
                                            : Walker::merged(files, old).empty();
      if (!empty) return fail(ErrorCode::not_empty, kOperation, to, "the directory is not empty");
    }
  }
  if (directory && !moved.lowers.empty()) {
    return fail(ErrorCode::cross_device, kOperation, from,
                "a directory of a lower layer cannot be moved")
        .with_hint("copy it and remove the old one, as mv does");
  }
  const bool hide = Walker::below_has(files, source.spot(source.parent()), source.name());
  const bool covers = Walker::below_has(files, target.spot(target.parent()), target.name());
  TH_ASSIGN(const InodeId to_parent, target.make_writable(target.parent(), to));
  // The first walk does not know what the second one copied up.
  TH_TRY(walk(source, from, FinalLink::keep));
  TH_ASSIGN(const InodeId from_parent, source.make_writable(source.parent(), from));
  if (files.at(from_parent).tree != files.at(to_parent).tree) {
    return fail(ErrorCode::cross_device, kOperation, to,
                "the two paths are in different quota trees");
  }
  TH_TRY(source.make_writable(source.last_index(), from));
  const std::string from_name(source.name());
  const std::string to_name(target.name());
  if (const InodeId old = files.lookup(to_parent, to_name);
      old != 0 && files.at(old).is_directory()) {
    std::vector<std::string> hidden;
    for (const auto& [inside, id] : files.at(old).directory->names) hidden.push_back(inside);
    for (const std::string& inside : hidden) files.unlink(old, inside);
  }
  InodeId whiteout = 0;
  if (hide) {
    // Made under a name that no file can have, so that moving it in is the last, sure step.
    TH_ASSIGN(whiteout, files.create(from_parent, "/whiteout",
                                     {FileKind::device, 0, Ownership{}, kOperation, from}));
    files.mark_whiteout(whiteout);
  }
  files.rename(from_parent, from_name, to_parent, to_name);
  if (directory && covers) files.mark_opaque(files.lookup(to_parent, to_name));
  if (whiteout != 0) files.rename(from_parent, "/whiteout", from_parent, from_name);
  if (directory && root_ == nullptr) node_.mounts->renamed(std::string(from), std::string(to));
  node_.engine.note(kOperation, from);
  node_.engine.note(kOperation, to);
  return {};
}

Status FileOps::hard_link(std::string_view existing, std::string_view name) {
  constexpr std::string_view kOperation = "files.hard_link";
  Walker source(node_, kOperation);
  TH_TRY(walk(source, existing, FinalLink::keep));
  if (!source.found()) return missing(kOperation, existing);
  Walker target(node_, kOperation);
  TH_TRY(walk(target, name, FinalLink::keep));
  if (target.found()) return taken(kOperation, name);
  if (source.last().mount != target.last().mount) {
    return fail(ErrorCode::cross_device, kOperation, name,
                "the two paths are on different file systems");
  }
  if (source.inode().is_directory()) {
    return fail(ErrorCode::not_permitted, kOperation, existing, "directories have one name only");
  }
  FileStore& files = *node_.files;
  TH_TRY(source.make_writable(source.last_index(), existing));
  TH_TRY(walk(target, name, FinalLink::keep));  // sees what was copied up
  TH_ASSIGN(const InodeId parent, target.make_writable(target.parent(), name));
  const InodeId file = source.last().upper;
  if (files.at(file).tree != files.at(parent).tree) {
    return fail(ErrorCode::cross_device, kOperation, name,
                "the two paths are in different quota trees");
  }
  if (files.lookup(parent, target.name()) != 0) files.unlink(parent, target.name());  // a whiteout
  files.link(parent, target.name(), file);
  node_.engine.note(kOperation, name);
  return {};
}

Status FileOps::make_symlink(std::string_view target, std::string_view path) {
  constexpr std::string_view kOperation = "files.make_symlink";
  if (target.empty() || target.size() > 4095 || target.find('\0') != std::string_view::npos) {
    return fail(ErrorCode::invalid_argument, kOperation, path, "not a possible link target");
  }
  Walker walker(node_, kOperation);
  TH_TRY(walk(walker, path, FinalLink::keep));
  if (walker.found()) return taken(kOperation, path);
  TH_ASSIGN(const InodeId link, make(walker, path, FileKind::symlink, 0777, kOperation));
  node_.files->set_link_target(link, target);
  return {};
}

Status FileOps::make_device(std::string_view path, FileKind kind, std::uint32_t mode) {
  constexpr std::string_view kOperation = "files.make_device";
  Walker walker(node_, kOperation);
  TH_TRY(walk(walker, path, FinalLink::keep));
  if (walker.found()) return taken(kOperation, path);
  if (kind != FileKind::device && kind != FileKind::fifo && kind != FileKind::socket) {
    return fail(ErrorCode::invalid_argument, kOperation, path, "not a kind of node");
  }
  TH_TRY(make(walker, path, kind, mode, kOperation));
  return {};
}

Result<std::string> FileOps::read_symlink(std::string_view path) {
  Walker walker(node_, "files.read_symlink");
  TH_TRY(walk(walker, path, FinalLink::keep));
  if (!walker.found()) return missing("files.read_symlink", path);
  if (walker.inode().kind != FileKind::symlink) {
    return fail(ErrorCode::invalid_argument, "files.read_symlink", path,
                "this is no symbolic link");
  }
  return std::string(walker.inode().content.text());
}

Status FileOps::set_mode(std::string_view path, std::uint32_t mode) {
  Walker walker(node_, "files.set_mode");
  TH_TRY(walk(walker, path, FinalLink::follow));
  if (!walker.found()) return missing("files.set_mode", path);
  if (mode > 07777) {
    return fail(ErrorCode::invalid_argument, "files.set_mode", path, "a mode has twelve bits");
  }
  TH_ASSIGN(const InodeId id, walker.make_writable(walker.last_index(), path));
  node_.files->set_mode(id, mode);
  node_.engine.note("files.set_mode", path, {mode});
  return {};
}

Status FileOps::set_owner(std::string_view path, Ownership owner) {
  Walker walker(node_, "files.set_owner");
  TH_TRY(walk(walker, path, FinalLink::keep));
  if (!walker.found()) return missing("files.set_owner", path);
  TH_ASSIGN(const InodeId id, walker.make_writable(walker.last_index(), path));
  node_.files->set_owner(id, owner);
  node_.engine.note("files.set_owner", path, {owner.uid, owner.gid});
  return {};
}

Status FileOps::touch(std::string_view path) {
  Walker walker(node_, "files.touch");
  TH_TRY(walk(walker, path, FinalLink::follow));
  if (!walker.found()) {
    TH_TRY(make(walker, path, FileKind::regular, 0644, "files.touch"));
    return {};
  }
  TH_ASSIGN(const InodeId id, walker.make_writable(walker.last_index(), path));
  node_.files->set_modified(id, node_.files->wall());
  return {};
}

Result<DiskInfo> FileOps::disk(std::string_view path) {
  // The nearest existing ancestor counts.
  std::string_view nearest = path;
  Walker walker(node_, "host.disk");
  for (;;) {
    Status walked = walk(walker, nearest, FinalLink::follow);
    if (walked) break;
    const ErrorCode code = walked.error().code;
    if (nearest.size() <= 1 || (code != ErrorCode::not_found && code != ErrorCode::not_directory)) {
      return std::move(walked).error();
    }
    const std::size_t slash = nearest.rfind('/');
    nearest = nearest.substr(0, slash == 0 ? 1 : slash);
  }
  const FileStore& files = *node_.files;
  const Spot& spot = walker.last();
  const Inode& inode = files.at(spot.upper != 0 ? spot.upper : spot.top());
  const FileSystem& system = files.system(inode.fs);
  DiskInfo info;
  info.file_system = inode.fs == 0 ? "simfs" : "tmpfs";
  info.capacity = {system.capacity * kBlockSize};
  info.available = {files.free_blocks(inode.fs) * kBlockSize};
  info.used = info.capacity - info.available;
  info.inodes_used = {system.inodes};
  if (root_ == nullptr || node_.mounts->at(spot.mount).overlay == 0) return info;
  // Inside a container, statfs(2) of its root shows the quota of the upper layer's tree.
  const Inode& upper = files.at(node_.mounts->at(node_.mounts->at(spot.mount).overlay).root);
  const auto tree = files.trees().find(upper.tree);
  if (upper.tree == 0 || tree == files.trees().end()) return info;
  const std::uint64_t limit = tree->second.limit.bytes.value;
  if (limit == kUnlimited) return info;
  const std::uint64_t used = tree->second.blocks * kBlockSize;
  info.capacity = {std::min(info.capacity.value, limit)};
  info.available = {std::min(info.available.value, limit > used ? limit - used : 0)};
  info.used = {used};
  info.inodes_used = {tree->second.inodes};
  return info;
}

Result<FileRoot> FileOps::root_at(std::string_view path) {
  Walker walker(node_, "files.root");
  TH_TRY(walk(walker, path, FinalLink::follow));
  if (!walker.found()) return missing("files.root", path);
  if (!walker.inode().is_directory()) {
    return fail(ErrorCode::not_directory, "files.root", path, "a directory was expected");
  }
  return walker.root_here();
}

Result<std::string> FileOps::read_inside(std::string_view root, std::string_view path,
                                         std::uint64_t most) {
  constexpr std::string_view kOperation = "files.read_inside";
  Walker walker(node_, kOperation);
  TH_TRY(walk(walker, root, FinalLink::follow));
  if (!walker.found()) return missing(kOperation, root);
  if (!walker.inode().is_directory()) {
    return fail(ErrorCode::not_directory, kOperation, root, "a directory was expected");
  }
  walker.confine();
  TH_TRY(walker.walk(path, FinalLink::follow, DotDot::refuse));
  if (!walker.found()) return missing(kOperation, path);
  const Inode& inode = walker.inode();
  if (inode.kind != FileKind::regular) return wrong_kind(inode, kOperation, path);
  if (inode.content.size() > most) {
    return fail(ErrorCode::limit_exceeded, kOperation, path, "the file is too large to be read")
        .with_amounts(inode.content.size(), std::nullopt, most);
  }
  return inode.content.read(most);
}

Result<bool> FileOps::exists_inside(std::string_view root, std::string_view path) {
  constexpr std::string_view kOperation = "files.exists_inside";
  Walker walker(node_, kOperation);
  TH_TRY(walk(walker, root, FinalLink::follow));
  if (!walker.found()) return missing(kOperation, root);
  if (!walker.inode().is_directory()) {
    return fail(ErrorCode::not_directory, kOperation, root, "a directory was expected");
  }
  walker.confine();
  if (Status walked = walker.walk(path, FinalLink::follow, DotDot::refuse); !walked) {
    const ErrorCode code = walked.error().code;
    if (code == ErrorCode::not_found || code == ErrorCode::not_directory) return false;
    return std::move(walked).error();
  }
  return walker.found();
}

}  // namespace twinhull::sim
