// What survives a power cut, and saving.
#include <algorithm>
#include <utility>

#include "backends/sim/files/file_store.h"

namespace twinhull::sim {
namespace {

bool is_file_name(const std::string& name) {
  return !name.empty() && name.size() <= 255 && name != "." && name != ".." &&
         name.find('/') == std::string::npos && name.find('\0') == std::string::npos;
}

}  // namespace

Unsynced* FileStore::record(InodeId id) {
  return inodes_[id].fs == 0 ? &unsynced_[id] : nullptr;  // memory has nothing durable
}

void FileStore::record_content(InodeId id, std::uint64_t durable_length) {
  if (Unsynced* changes = record(id)) {
    changes->durable_length = std::min(changes->durable_length, durable_length);
  }
}

void FileStore::record_attributes(InodeId id) {
  Unsynced* changes = record(id);
  if (changes == nullptr || changes->attributes) return;
  const Inode& inode = inodes_[id];
  changes->attributes = true;
  changes->mode = inode.mode;
  changes->uid = inode.uid;
  changes->gid = inode.gid;
}

void FileStore::forget_if_clean(InodeId id) {
  const auto found = unsynced_.find(id);
  if (found == unsynced_.end()) return;
  const Unsynced& changes = found->second;
  if (changes.durable_length == kUnlimited && !changes.attributes && changes.names.empty() &&
      changes.twins.empty()) {
    unsynced_.erase(found);
  }
}

void FileStore::drop_record(InodeId id) {
  const auto found = unsynced_.find(id);
  if (found == unsynced_.end()) return;
  const auto names = std::move(found->second.names);
  unsynced_.erase(found);
  for (const auto& [name, target] : names) {
    if (target != 0) unpin(target);
  }
}

void FileStore::commit_name(InodeId first_directory, const std::string& first_name) {
  std::vector<std::pair<InodeId, std::string>> todo{{first_directory, first_name}};
  while (!todo.empty()) {
    const auto [directory, name] = std::move(todo.back());
    todo.pop_back();
    if (directory == 0) {
      commit_all_names();
      return;
    }
    const auto found = unsynced_.find(directory);
    if (found == unsynced_.end()) continue;
    Unsynced& changes = found->second;
    InodeId released = 0;
    if (const auto entry = changes.names.find(name); entry != changes.names.end()) {
      released = entry->second;
      changes.names.erase(entry);
    }
    if (const auto twins = changes.twins.find(name); twins != changes.twins.end()) {
      todo.insert(todo.end(), twins->second.begin(), twins->second.end());
      changes.twins.erase(twins);
    }
    forget_if_clean(directory);
    if (released != 0) unpin(released);
  }
}

void FileStore::commit_all_names() {
  std::vector<InodeId> released;
  for (auto at = unsynced_.begin(); at != unsynced_.end();) {
    for (const auto& [name, target] : at->second.names) {
      if (target != 0) released.push_back(target);
    }
    at->second.names.clear();
    at->second.twins.clear();
    const InodeId id = at->first;
    ++at;
    forget_if_clean(id);
  }
  for (const InodeId id : released) unpin(id);
}

void FileStore::sync_name(InodeId directory, std::string_view name) {
  commit_name(directory, std::string(name));
}

std::uint64_t FileStore::sync(InodeId id) {
  const auto found = unsynced_.find(id);
  if (found == unsynced_.end()) return 0;
  Unsynced& changes = found->second;
  std::uint64_t bytes = 0;
  const std::uint64_t size = inodes_[id].content.size();
  if (changes.durable_length < size) bytes = size - changes.durable_length;
  changes.durable_length = kUnlimited;
  changes.attributes = false;
  std::vector<std::string> names;
  for (const auto& [name, target] : changes.names) names.push_back(name);
  for (const auto& [name, twins] : changes.twins) names.push_back(name);
  forget_if_clean(id);
  for (const std::string& name : names) commit_name(id, name);
  return bytes + names.size() * kBlockSize;
}

std::uint64_t FileStore::sync_all() {
  commit_all_names();
  std::uint64_t bytes = 0;
  for (const auto& [id, changes] : unsynced_) {
    const std::uint64_t size = inodes_[id].content.size();
    if (changes.durable_length < size) bytes += size - changes.durable_length;
  }
  unsynced_.clear();
  return bytes;
}

void FileStore::power_off() {
  disk_free_at_ = Instant{};
  sweep();
}

// Goes back to the durable state: names, lengths and attributes return, memory file systems vanish,
// and what no durable name leads to is freed.
void FileStore::sweep() {
  const auto changes = std::move(unsynced_);
  unsynced_.clear();
  for (const auto& [id, old] : changes) {
    Inode& inode = inodes_[id];
    if (!inode.used) continue;
    if (inode.kind == FileKind::regular) inode.content.cut(old.durable_length);
    if (old.attributes) {
      inode.mode = old.mode;
      inode.uid = old.uid;
      inode.gid = old.gid;
    }
    if (!inode.directory) continue;
    for (const auto& [name, target] : old.names) inode.directory->names.set(name, target);
  }
  systems_.resize(1);
  for (InodeId id = 1; id < inodes_.size(); ++id) {
    if (!trees_.contains(inodes_[id].tree)) inodes_[id].tree = 0;
  }
  recount();
  for (InodeId id = 1; id < inodes_.size(); ++id) {
    Inode& inode = inodes_[id];
    inode.mount_point = false;
    inode.pins = 0;
    if (!inode.used || inode.links != 0) continue;
    inode = Inode{};
    free_.push_back(id);
  }
  std::erase_if(trees_, [this](const auto& entry) {
    const Inode& inode = inodes_[entry.second.root];
    return !inode.used || inode.tree != entry.first;
  });
}

// Derives links, parents and usage from the names. Every directory keeps its first place only.
void FileStore::recount() {
  for (InodeId id = 1; id < inodes_.size(); ++id) inodes_[id].links = 0;
  for (auto& [id, tree] : trees_) tree.blocks = tree.inodes = 0;
  std::vector<InodeId> todo;
  for (FileSystem& system : systems_) {
    system.blocks = system.inodes = 0;
    if (!system.used) continue;
    Inode& root = inodes_[system.root];
    root.links = 1;
    root.directory->parent = system.root;
    book(root, root.fs == 0 ? 1 : 0, 1);
    todo.push_back(system.root);
  }
  while (!todo.empty()) {
    const InodeId parent = todo.back();
    todo.pop_back();
    NameTable& names = inodes_[parent].directory->names;
    for (auto entry = names.begin(); entry != names.end();) {
      Inode& inode = inodes_[entry->second];
      if (inode.links != 0 && inode.is_directory()) {
        entry = names.erase(entry);
        continue;
      }
      if (++inode.links == 1) {
        book(inode, static_cast<std::int64_t>(inode.blocks()), 1);
        if (inode.is_directory()) {
          inode.directory->parent = parent;
          todo.push_back(entry->second);
        }
      }
      ++entry;
    }
  }
}

Status FileStore::check() const {
  std::vector<FileSystem> systems(systems_.size());
  std::map<TreeId, QuotaTree> trees;
  for (InodeId id = 1; id < inodes_.size(); ++id) {
    const Inode& inode = inodes_[id];
    if (!inode.used || inode.links == 0) continue;
    const std::uint64_t blocks =
        inode.fs != 0 && id == systems_[inode.fs].root ? 0 : inode.blocks();
    systems[inode.fs].blocks += blocks;
    systems[inode.fs].inodes += 1;
    if (inode.tree != 0) {
      trees[inode.tree].blocks += blocks;
      trees[inode.tree].inodes += 1;
    }
  }
  for (std::size_t fs = 0; fs < systems_.size(); ++fs) {
    if (systems[fs].blocks != systems_[fs].blocks || systems[fs].inodes != systems_[fs].inodes) {
      return fail(ErrorCode::corrupt, "world.check", node_.spec.name,
                  "the used space of file system " + std::to_string(fs) + " does not add up")
          .with_amounts(std::nullopt, systems_[fs].blocks, systems[fs].blocks);
    }
  }
  for (const auto& [id, tree] : trees_) {
    const QuotaTree& real = trees[id];
    if (real.blocks != tree.blocks || real.inodes != tree.inodes) {
      return fail(ErrorCode::corrupt, "world.check", node_.spec.name,
                  "the usage of quota tree " + std::to_string(id) + " does not add up")
          .with_amounts(std::nullopt, tree.blocks, real.blocks);
    }
  }
  return {};
}

void FileStore::save(SaveArchive& archive) const {
  BlobTable blobs;
  std::string bytes;
  SaveArchive inner(bytes);
  for (InodeId id = 1; id < inodes_.size(); ++id) {
    const Inode& inode = inodes_[id];
    inner(inode.used);
    if (!inode.used) continue;
    const auto flags =
        static_cast<std::uint8_t>((inode.opaque ? 1U : 0U) | (inode.whiteout ? 2U : 0U));
    // A removed directory that a mount still holds may outlive its quota tree.
    const TreeId tree = trees_.contains(inode.tree) ? inode.tree : 0;
    inner(inode.kind, flags, inode.fs, inode.mode, inode.uid, inode.gid, tree,
          inode.modified.time_since_epoch().count());
    inode.content.save(inner, blobs);
    if (inode.directory) inner(inode.directory->names.map());
  }
  blobs.save(archive);
  archive(static_cast<std::uint32_t>(inodes_.size()), bytes, free_, systems_, next_tree_,
          disk_free_at_, unsynced_);
  archive(static_cast<std::uint32_t>(trees_.size()));
  for (const auto& [id, tree] : trees_) archive(id, tree.root, tree.limit.bytes, tree.limit.inodes);
}

void FileStore::load_inode(LoadArchive& archive, Inode& inode, const BlobTable& blobs) {
  std::uint8_t flags = 0;
  std::int64_t modified = 0;
  archive(inode.kind, flags, inode.fs, inode.mode, inode.uid, inode.gid, inode.tree, modified);
  require_sane(inode.kind <= FileKind::socket && flags <= 3, "a file is of no known kind");
  require_sane(inode.mode <= 07777U, "a mode has too many bits");
  inode.opaque = (flags & 1U) != 0;
  inode.whiteout = (flags & 2U) != 0;
  inode.modified = WallTime(Duration(modified));
  inode.content.load(archive, blobs);
  require_sane(inode.content.size() == 0 || inode.kind == FileKind::regular ||
                   inode.kind == FileKind::symlink,
               "a directory or node has content");
  if (!inode.is_directory()) return;
  inode.directory = std::make_unique<Directory>();
  std::uint64_t count = 0;
  archive(count);
  require_sane(count <= archive.remaining(), "a directory has more names than bytes");
  NameTable& names = inode.directory->names;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::pair<std::string, InodeId> entry;
    archive(entry.first, entry.second);
    require_sane(is_file_name(entry.first), "a file has an impossible name");
    names.set(entry.first, entry.second);
  }
}

void FileStore::load(LoadArchive& archive) {
  BlobTable blobs;
  blobs.load(archive);
  std::uint32_t count = 0;
  std::string bytes;
  archive(count, bytes);
  require_sane(count >= 2 && count - 1 <= bytes.size(), "a wrong number of inodes");
  inodes_ = InodeTable();
  inodes_.grow_to(count);
  LoadArchive inner(bytes);
  std::size_t unused = 0;
  for (InodeId id = 1; id < count; ++id) {
    inner(inodes_[id].used);
    if (inodes_[id].used) {
      load_inode(inner, inodes_[id], blobs);
    } else {
      ++unused;
    }
  }
  const std::uint64_t capacity = systems_[0].capacity;
  const std::uint64_t inode_capacity = systems_[0].inode_capacity;
  archive(free_, systems_, next_tree_, disk_free_at_, unsynced_);
  const auto valid = [&](InodeId id) { return id != 0 && id < count && inodes_[id].used; };
  require_sane(free_.size() == unused, "the list of free inodes is wrong");
  std::vector<bool> seen(count);
  for (const InodeId id : free_) {
    require_sane(id != 0 && id < count && !inodes_[id].used && !seen[id],
                 "the list of free inodes is wrong");
    seen[id] = true;
  }
  require_sane(!systems_.empty() && systems_.size() < 65536 && systems_[0].used, "no file system");
  systems_[0].capacity = capacity;
  systems_[0].inode_capacity = inode_capacity;
  for (std::size_t fs = 0; fs < systems_.size(); ++fs) {
    if (!systems_[fs].used) continue;
    const InodeId root = systems_[fs].root;
    require_sane(valid(root) && inodes_[root].directory && inodes_[root].fs == fs,
                 "a file system has no root");
  }

  trees_.clear();
  std::uint32_t tree_count = 0;
  archive(tree_count);
  for (std::uint32_t i = 0; i < tree_count; ++i) {
    TreeId id = 0;
    QuotaTree tree;
    archive(id, tree.root, tree.limit.bytes, tree.limit.inodes);
    require_sane(id != 0 && id < next_tree_ && valid(tree.root) && inodes_[tree.root].directory &&
                     inodes_[tree.root].tree == id && inodes_[tree.root].fs == 0,
                 "a quota tree has no root");
    require_sane(trees_.try_emplace(id, tree).second, "two quota trees have one number");
  }
  std::size_t names = 0;
  for (InodeId id = 1; id < count; ++id) {
    const Inode& inode = inodes_[id];
    if (!inode.used) continue;
    require_sane(inode.fs < systems_.size() && systems_[inode.fs].used,
                 "a file is on no file system");
    require_sane(inode.tree == 0 || trees_.contains(inode.tree), "a file is in no quota tree");
    if (!inode.directory) continue;
    names += inode.directory->names.size();
    for (const auto& [name, target] : inode.directory->names) {
      require_sane(valid(target) && inodes_[target].fs == inode.fs, "a name leads nowhere");
      const TreeId tree = inodes_[target].tree;
      require_sane(tree == inode.tree || (tree != 0 && trees_.at(tree).root == target),
                   "a file is in the wrong quota tree");
    }
  }
  recount();
  std::size_t reached = 0;
  for (InodeId id = 1; id < count; ++id) {
    const Inode& inode = inodes_[id];
    if (!inode.used) continue;
    if (inode.directory && inode.links == 0) {
      require_sane(inode.directory->names.empty(), "a directory is cut off");
      inodes_[id].directory->parent = id;
    }
    if (inode.directory) reached += inode.directory->names.size();
  }
  require_sane(reached == names, "a directory has two places");
  for (const auto& [id, changes] : unsynced_) {
    require_sane(valid(id) && inodes_[id].fs == 0, "an unsynced change of no file");
    require_sane(changes.names.empty() || inodes_[id].directory, "names in a file");
    require_sane(changes.mode <= 07777U, "a mode has too many bits");
    for (const auto& [name, target] : changes.names) {
      require_sane(
          is_file_name(name) && (target == 0 || (valid(target) && inodes_[target].fs == 0)),
          "a durable name leads nowhere");
      if (target != 0) pin(target);
    }
  }
}

}  // namespace twinhull::sim
