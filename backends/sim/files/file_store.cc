#include "backends/sim/files/file_store.h"

#include <algorithm>

namespace twinhull::sim {
namespace {

constexpr std::int64_t as_signed(std::uint64_t value) {
  return static_cast<std::int64_t>(value);
}

}  // namespace

FileStore::FileStore(Node& node) : node_(node) {
  inodes_.grow_to(1);
  FileSystem disk;
  disk.used = true;
  disk.capacity = node.spec.disk.value / kBlockSize;
  disk.inode_capacity = node.spec.inodes.value;
  systems_.push_back(disk);
  const InodeId root = allocate();
  Inode& inode = inodes_[root];
  inode.kind = FileKind::directory;
  inode.mode = 0755;
  inode.links = 1;
  inode.modified = wall();
  inode.directory = std::make_unique<Directory>();
  inode.directory->parent = root;
  systems_[0].root = root;
  book(inode, 1, 1);
}

FileStore::~FileStore() = default;

WallTime FileStore::wall() const {
  return kWorldBegins + node_.engine.now().time_since_epoch();
}

InodeId FileStore::allocate() {
  InodeId id = 0;
  if (free_.empty()) {
    id = static_cast<InodeId>(inodes_.size());
    inodes_.grow_to(inodes_.size() + 1);
  } else {
    id = free_.back();
    free_.pop_back();
  }
  inodes_[id].used = true;
  return id;
}

void FileStore::release(InodeId id) {
  Inode& inode = inodes_[id];
  if (inode.tree != 0) {
    const auto tree = trees_.find(inode.tree);
    if (tree != trees_.end() && tree->second.root == id) trees_.erase(tree);
  }
  inode = Inode{};
  free_.push_back(id);
  drop_record(id);
}

void FileStore::unpin(InodeId id) {
  Inode& inode = inodes_[id];
  if (--inode.pins == 0 && inode.links == 0) release(id);
}

void FileStore::drop_link(InodeId id) {
  Inode& inode = inodes_[id];
  if (--inode.links != 0) return;
  if (nameless_) nameless_(id);
  book(inode, -as_signed(inode.blocks()), -1);
  if (inode.pins == 0) release(id);
}

InodeId FileStore::lookup(InodeId directory, std::string_view name) const {
  return inodes_[directory].directory->names.find(name);
}

std::uint64_t FileStore::free_blocks(std::uint16_t fs) const {
  const FileSystem& system = systems_[fs];
  std::uint64_t taken = system.blocks;
  if (fs == 0) taken += blocks_of(node_.occupied.value);
  return system.capacity > taken ? system.capacity - taken : 0;
}

Status FileStore::charge(std::uint16_t fs, TreeId tree, std::uint64_t blocks, std::uint64_t inodes,
                         std::string_view operation, std::string_view path) const {
  const FileSystem& system = systems_[fs];
  if (blocks > free_blocks(fs)) {
    return fail(ErrorCode::no_space, operation, path, "the file system is full (bytes)")
        .with_amounts(blocks * kBlockSize, system.blocks * kBlockSize, system.capacity * kBlockSize)
        .with_hint("remove files that are not needed");
  }
  if (system.inodes + inodes > system.inode_capacity) {
    return fail(ErrorCode::no_space, operation, path, "the file system is full (inodes)")
        .with_amounts(inodes, system.inodes, system.inode_capacity)
        .with_hint("remove files that are not needed");
  }
  if (tree == 0) return {};
  const QuotaTree& quota = trees_.at(tree);
  if (blocks != 0 && quota.limit.bytes.value != kUnlimited &&
      (quota.blocks + blocks) * kBlockSize > quota.limit.bytes.value) {
    return fail(ErrorCode::quota_exceeded, operation, path, "the disk quota is used up (bytes)")
        .with_amounts(blocks * kBlockSize, quota.blocks * kBlockSize, quota.limit.bytes.value)
        .with_hint("raise the limit (--diskspace) or remove files");
  }
  if (inodes != 0 && quota.limit.inodes.value != kUnlimited &&
      quota.inodes + inodes > quota.limit.inodes.value) {
    return fail(ErrorCode::quota_exceeded, operation, path, "the disk quota is used up (inodes)")
        .with_amounts(inodes, quota.inodes, quota.limit.inodes.value)
        .with_hint("raise the limit (--diskinodes) or remove files");
  }
  return {};
}

void FileStore::book(const Inode& inode, std::int64_t blocks, std::int64_t inodes) {
  FileSystem& system = systems_[inode.fs];
  system.blocks += static_cast<std::uint64_t>(blocks);
  system.inodes += static_cast<std::uint64_t>(inodes);
  if (inode.tree == 0) return;
  QuotaTree& tree = trees_.at(inode.tree);
  tree.blocks += static_cast<std::uint64_t>(blocks);
  tree.inodes += static_cast<std::uint64_t>(inodes);
}

Result<InodeId> FileStore::create(InodeId directory, std::string_view name, const Birth& birth) {
  const std::uint16_t fs = inodes_[directory].fs;
  const TreeId tree = inodes_[directory].tree;
  if (inodes_[directory].links == 0) {
    return fail(ErrorCode::not_found, birth.operation, birth.path, "the directory was removed");
  }
  const std::uint64_t blocks = birth.kind == FileKind::directory ? 1 : 0;
  TH_TRY(charge(fs, tree, blocks, 1, birth.operation, birth.path));
  const InodeId id = allocate();
  Inode& inode = inodes_[id];
  inode.kind = birth.kind;
  inode.fs = fs;
  inode.tree = tree;
  inode.mode = birth.mode & 07777U;
  inode.uid = birth.owner.uid;
  inode.gid = birth.owner.gid;
  inode.modified = wall();
  if (birth.kind == FileKind::directory) {
    inode.directory = std::make_unique<Directory>();
    inode.directory->parent = directory;
  }
  inode.links = 1;
  book(inode, as_signed(blocks), 1);
  set_name(directory, name, id);
  return id;
}

void FileStore::link(InodeId directory, std::string_view name, InodeId target) {
  ++inodes_[target].links;
  set_name(directory, name, target);
}

void FileStore::unlink(InodeId directory, std::string_view name) {
  const InodeId target = lookup(directory, name);
  if (target == 0) return;
  set_name(directory, name, 0);
  drop_link(target);
}

void FileStore::rename(InodeId from, std::string_view from_name, InodeId to,
                       std::string_view to_name) {
  const InodeId moved = lookup(from, from_name);
  const InodeId replaced = lookup(to, to_name);
  if (moved == replaced) return;  // two names of one file: nothing happens (rename(2))
  const std::string from_text(from_name);
  const std::string to_text(to_name);
  set_name(to, to_text, moved);
  set_name(from, from_text, 0);
  if (inodes_[moved].is_directory()) inodes_[moved].directory->parent = to;
  if (from != to && inodes_[from].fs == 0) {
    // Moving is atomic towards a power cut: both names become durable together. A directory's move
    // takes all older changes along, as a journal does, so that no tree can lose its way home.
    const bool whole = inodes_[moved].is_directory();
    auto& source = unsynced_[from];
    auto& target = unsynced_[to];
    if (source.names.try_emplace(from_text, moved).second) pin(moved);
    if (target.names.try_emplace(to_text, replaced).second && replaced != 0) pin(replaced);
    source.twins[from_text].emplace_back(whole ? 0 : to, whole ? std::string() : to_text);
    target.twins[to_text].emplace_back(whole ? 0 : from, whole ? std::string() : from_text);
  }
  if (replaced != 0) drop_link(replaced);
}

bool FileStore::is_above(InodeId ancestor, InodeId directory) const {
  for (;;) {
    if (directory == ancestor) return true;
    const InodeId parent = inodes_[directory].directory->parent;
    if (parent == directory || parent == 0) return false;
    directory = parent;
  }
}

void FileStore::set_name(InodeId directory, std::string_view name, InodeId target) {
  NameTable& names = inodes_[directory].directory->names;
  const InodeId before = names.find(name);
  if (Unsynced* changes = record(directory)) {
    const auto [entry, fresh] = changes->names.try_emplace(std::string(name), before);
    if (fresh && before != 0) pin(before);
    if (!fresh && entry->second == target && !changes->twins.contains(entry->first)) {
      // Back to what is durable already.
      changes->names.erase(entry);
      if (target != 0) unpin(target);
      forget_if_clean(directory);
    }
  }
  names.set(name, target);
  inodes_[directory].modified = wall();
}

Status FileStore::resize(InodeId file, std::uint64_t size, std::string_view operation,
                         std::string_view path) {
  const Inode& inode = inodes_[file];
  const std::uint64_t before = inode.blocks();
  const std::uint64_t after = blocks_of(size);
  if (after > before) TH_TRY(charge(inode.fs, inode.tree, after - before, 0, operation, path));
  if (inode.links != 0) book(inode, as_signed(after) - as_signed(before), 0);
  return {};
}

Status FileStore::write(InodeId file, std::string_view bytes, std::string_view operation,
                        std::string_view path) {
  TH_TRY(resize(file, bytes.size(), operation, path));
  record_content(file, 0);
  inodes_[file].content.assign(bytes);
  inodes_[file].modified = wall();
  return {};
}

Status FileStore::append(InodeId file, std::string_view bytes, std::string_view operation,
                         std::string_view path) {
  const std::uint64_t before = inodes_[file].content.size();
  TH_TRY(resize(file, before + bytes.size(), operation, path));
  record_content(file, before);
  inodes_[file].content.append(bytes);
  inodes_[file].modified = wall();
  return {};
}

std::uint64_t FileStore::append_synthetic(InodeId file, std::uint64_t length, std::uint64_t seed,
                                          std::string_view operation, std::string_view path,
                                          std::optional<Error>* refusal) {
  Inode& inode = inodes_[file];
  const std::uint64_t before = inode.content.size();
  const std::uint64_t room = inode.blocks() * kBlockSize - before;  // in the last block
  std::uint64_t fits = length;
  if (fits > room) {
    std::uint64_t blocks = free_blocks(inode.fs);
    if (inode.tree != 0) {
      const QuotaTree& tree = trees_.at(inode.tree);
      if (tree.limit.bytes.value != kUnlimited) {
        const std::uint64_t most = tree.limit.bytes.value / kBlockSize;
        blocks = std::min(blocks, most > tree.blocks ? most - tree.blocks : 0);
      }
    }
    if (blocks_of(fits - room) > blocks) {
      const Status refused =
          charge(inode.fs, inode.tree, blocks_of(fits - room), 0, operation, path);
      if (refusal != nullptr && !refused) *refusal = refused.error();
      fits = room + blocks * kBlockSize;
    }
  }
  if (fits == 0) return 0;
  if (!resize(file, before + fits, operation, path)) return 0;  // cannot happen: it was measured
  record_content(file, before);
  inode.content.append_synthetic(fits, seed);
  inode.modified = wall();
  return fits;
}

Status FileStore::truncate(InodeId file, std::uint64_t size, std::string_view operation,
                           std::string_view path) {
  Inode& inode = inodes_[file];
  const std::uint64_t before = inode.content.size();
  TH_TRY(resize(file, size, operation, path));
  record_content(file, std::min(before, size));
  if (size < before) {
    inode.content.cut(size);
  } else {
    inode.content.append_synthetic(size - before, 0);
  }
  inode.modified = wall();
  return {};
}

Status FileStore::share_content(const Content& from, InodeId to, std::string_view operation,
                                std::string_view path) {
  TH_TRY(resize(to, from.size(), operation, path));
  record_content(to, 0);
  inodes_[to].content = from;
  return {};
}

void FileStore::set_link_target(InodeId link, std::string_view target) {
  inodes_[link].content.assign(target);
}

void FileStore::set_mode(InodeId id, std::uint32_t mode) {
  record_attributes(id);
  inodes_[id].mode = mode & 07777U;
}

void FileStore::set_owner(InodeId id, Ownership owner) {
  record_attributes(id);
  inodes_[id].uid = owner.uid;
  inodes_[id].gid = owner.gid;
}

std::uint16_t FileStore::make_tmpfs(std::uint64_t blocks) {
  auto free = std::find_if(systems_.begin() + 1, systems_.end(),
                           [](const FileSystem& system) { return !system.used; });
  if (free == systems_.end()) free = systems_.emplace(systems_.end());
  const auto fs = static_cast<std::uint16_t>(free - systems_.begin());
  *free = FileSystem{};
  free->used = true;
  free->capacity = blocks;
  free->inode_capacity = kUnlimited / 2;
  const InodeId root = allocate();
  free->root = root;
  Inode& inode = inodes_[root];
  inode.kind = FileKind::directory;
  inode.fs = fs;
  inode.mode = 01777;
  inode.links = 1;
  inode.modified = wall();
  inode.directory = std::make_unique<Directory>();
  inode.directory->parent = root;
  book(inode, 0, 1);
  return fs;
}

void FileStore::drop_tmpfs(std::uint16_t fs) {
  for (InodeId id = 1; id < inodes_.size(); ++id) {
    Inode& inode = inodes_[id];
    if (!inode.used || inode.fs != fs) continue;
    inode = Inode{};
    free_.push_back(id);
  }
  systems_[fs] = FileSystem{};
}

Bytes FileStore::tmpfs_bytes() const {
  std::uint64_t blocks = 0;
  for (std::size_t fs = 1; fs < systems_.size(); ++fs) blocks += systems_[fs].blocks;
  return {blocks * kBlockSize};
}

Duration FileStore::charge_disk(std::uint64_t bytes) {
  __extension__ using Wide = unsigned __int128;
  const Wide nanoseconds_needed =
      static_cast<Wide>(bytes) * 1'000'000'000U / node_.spec.disk_bandwidth.value;
  const auto most = static_cast<Wide>(Duration::max().count());
  return occupy_disk(Duration(static_cast<std::int64_t>(std::min(nanoseconds_needed, most))));
}

Duration FileStore::occupy_disk(Duration cost) {
  const Instant now = node_.engine.now();
  disk_free_at_ = later(std::max(now, disk_free_at_), cost);
  return disk_free_at_ - now;
}

TreeId FileStore::make_tree(InodeId directory) {
  Inode& inode = inodes_[directory];
  book(inode, -1, -1);
  if (inode.tree != 0) {  // leaves the tree above
    inode.tree = 0;
    book(inode, 0, 0);
  }
  const TreeId id = next_tree_++;
  trees_[id].root = directory;
  inode.tree = id;
  book(inode, 1, 1);
  return id;
}

}  // namespace twinhull::sim
