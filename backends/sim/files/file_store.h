// The inodes of one node: its disk and its memory file systems, with space, quota trees and
// durability. Knows directories by inode, not by path; paths and mounts are the walker's affair.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backends/sim/files/content.h"
#include "backends/sim/files/name_table.h"
#include "backends/sim/node.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/quotas.h"

namespace twinhull::sim {

using TreeId = std::uint32_t;   ///< quota tree; 0 = none
inline constexpr std::uint64_t kBlockSize = 4096;
constexpr std::uint64_t blocks_of(std::uint64_t bytes) {
  return bytes / kBlockSize + (bytes % kBlockSize != 0 ? 1 : 0);
}

struct Directory {
  InodeId parent = 0;  ///< itself for the root of a file system
  NameTable names;
};

struct Inode {
  FileKind kind = FileKind::regular;
  bool used = false;
  bool opaque = false;       ///< overlay: hides the directories below it
  bool whiteout = false;     ///< overlay: hides the name below it (a device 0,0)
  bool mount_point = false;  ///< something is mounted here, in some mount
  std::uint16_t fs = 0;      ///< index of the file system; 0 = the disk
  std::uint32_t mode = 0;
  std::uint32_t uid = 0, gid = 0;
  std::uint32_t links = 0;  ///< names now
  std::uint32_t pins = 0;   ///< durable names that differ from now, and mounts
  TreeId tree = 0;
  WallTime modified;
  Content content;  ///< regular file, or a link's target
  std::unique_ptr<Directory> directory;
  [[nodiscard]] bool is_directory() const { return kind == FileKind::directory; }
  [[nodiscard]] std::uint64_t blocks() const {
    return kind == FileKind::regular ? blocks_of(content.size()) : is_directory() ? 1 : 0;
  }
};

struct FileSystem {
  bool used = false;
  std::uint64_t capacity = 0;  ///< blocks
  std::uint64_t blocks = 0;
  std::uint64_t inode_capacity = 0;
  std::uint64_t inodes = 0;
  InodeId root = 0;
  template <typename Archive>
  void serialize(Archive& archive) {
    archive(used, capacity, blocks, inode_capacity, inodes, root);
  }
};

struct QuotaTree {
  InodeId root = 0;
  TreeLimit limit;
  std::uint64_t blocks = 0;
  std::uint64_t inodes = 0;
};

/// What a power cut brings back of one inode that changed since it was last synced.
struct Unsynced {
  std::uint64_t durable_length = kUnlimited;  ///< of the content; kUnlimited = all of it
  bool attributes = false;                    ///< the durable ones differ
  std::uint32_t mode = 0, uid = 0, gid = 0;
  /// Directory: names whose durable target differs from now (0 = durably no such name).
  std::map<std::string, InodeId> names;
  /// The other ends of renames between directories: become durable together with this name.
  std::map<std::string, std::vector<std::pair<InodeId, std::string>>> twins;
  template <typename Archive>
  void serialize(Archive& archive) {
    archive(durable_length, attributes, mode, uid, gid, names, twins);
  }
};

/// Inodes by number in chunks: references stay valid while the table grows.
class InodeTable {
 public:
  [[nodiscard]] std::size_t size() const { return size_; }  ///< one more than the largest number
  Inode& operator[](InodeId id) { return chunks_[id >> kShift][id & kMask]; }
  const Inode& operator[](InodeId id) const { return chunks_[id >> kShift][id & kMask]; }
  void grow_to(std::size_t size) {
    while (chunks_.size() << kShift < size)
      chunks_.push_back(std::make_unique<Inode[]>(1U << kShift));
    size_ = size;
  }

 private:
  static constexpr unsigned kShift = 8;
  static constexpr InodeId kMask = (1U << kShift) - 1;
  std::vector<std::unique_ptr<Inode[]>> chunks_;
  std::size_t size_ = 0;
};

class FileStore final : public NodePart {
 public:
  explicit FileStore(Node& node);
  ~FileStore() override;

  // --- NodePart -------------------------------------------------------------------------------
  void power_off() override;
  void power_on() override {}
  void save(SaveArchive& archive) const override;
  void load(LoadArchive& archive) override;
  [[nodiscard]] Status check() const override;

  // --- inodes ---------------------------------------------------------------------------------
  [[nodiscard]] const Inode& at(InodeId id) const { return inodes_[id]; }
  /// One more than the largest inode number.
  [[nodiscard]] std::size_t inode_count() const { return inodes_.size(); }
  /// The root directory of the disk.
  [[nodiscard]] InodeId root() const { return systems_[0].root; }
  /// Name in a directory; 0 = none.
  [[nodiscard]] InodeId lookup(InodeId directory, std::string_view name) const;
  /// A new file under a free name of a live directory, in its quota tree. The error's texts are
  /// `operation` and `path`. Errors: no_space, quota_exceeded, not_found (directory was removed).
  struct Birth {
    FileKind kind = FileKind::regular;
    std::uint32_t mode = 0644;
    Ownership owner;
    std::string_view operation, path;
  };
  Result<InodeId> create(InodeId directory, std::string_view name, const Birth& birth);
  /// Told when an inode has lost its last name: nobody can read it any more. (A power cut may bring
  /// it back, but nothing that was in memory.)
  void on_nameless(std::function<void(InodeId)> listener) { nameless_ = std::move(listener); }
  void mark_whiteout(InodeId id) { inodes_[id].whiteout = true; }
  void mark_opaque(InodeId id) { inodes_[id].opaque = true; }
  void mark_mount_point(InodeId id, bool value) { inodes_[id].mount_point = value; }
  /// Another name for a file. Precondition: name is free, not a directory.
  void link(InodeId directory, std::string_view name, InodeId target);
  /// Takes a name away; frees what has no name left. Precondition: a directory is empty.
  void unlink(InodeId directory, std::string_view name);
  /// Moves a name, replacing what `to_name` names (a directory there is empty). Precondition: same
  /// file system; the moved directory does not contain the target. Whole tree ids stay right when
  /// both directories are of one quota tree.
  void rename(InodeId from, std::string_view from_name, InodeId to, std::string_view to_name);
  /// Whether `ancestor` is `directory` or above it.
  [[nodiscard]] bool is_above(InodeId ancestor, InodeId directory) const;

  /// Replaces the content. Errors: no_space, quota_exceeded; then nothing changed.
  Status write(InodeId file, std::string_view bytes, std::string_view operation,
               std::string_view path);
  Status append(InodeId file, std::string_view bytes, std::string_view operation,
                std::string_view path);
  /// Appends as much of `length` as fits in whole blocks; how much, and what refused the rest.
  std::uint64_t append_synthetic(InodeId file, std::uint64_t length, std::uint64_t seed,
                                 std::string_view operation, std::string_view path,
                                 std::optional<Error>* refusal);
  Status truncate(InodeId file, std::uint64_t size, std::string_view operation,
                  std::string_view path);
  /// Makes `to` (a fresh file) hold the same content, sharing it in memory (not on the disk).
  Status share_content(const Content& from, InodeId to, std::string_view operation,
                       std::string_view path);
  void set_link_target(InodeId link, std::string_view target);
  void set_mode(InodeId id, std::uint32_t mode);
  void set_owner(InodeId id, Ownership owner);
  void set_modified(InodeId id, WallTime time) { inodes_[id].modified = time; }
  void pin(InodeId id) { ++inodes_[id].pins; }
  void unpin(InodeId id);

  // --- durability -----------------------------------------------------------------------------
  /// fsync(2): a file's content, a directory's names. Returns how many bytes had to be written.
  std::uint64_t sync(InodeId id);
  /// One name becomes durable (subvolume creation and removal are transactions of their own).
  void sync_name(InodeId directory, std::string_view name);
  /// sync(2): everything. Returns the bytes.
  std::uint64_t sync_all();

  // --- space ----------------------------------------------------------------------------------
  [[nodiscard]] const FileSystem& system(std::uint16_t fs) const { return systems_[fs]; }
  /// Blocks that a file system can still give out; the disk's occupied part counts.
  [[nodiscard]] std::uint64_t free_blocks(std::uint16_t fs) const;
  /// A memory file system of its own: its index. Limit in blocks.
  std::uint16_t make_tmpfs(std::uint64_t blocks);
  void drop_tmpfs(std::uint16_t fs);
  /// Sum over all memory file systems, for the memory model.
  [[nodiscard]] Bytes tmpfs_bytes() const;
  /// Time until the disk has moved `bytes` behind what it has to do already; books it.
  Duration charge_disk(std::uint64_t bytes);
  /// The same for a time; `cost` is not negative.
  Duration occupy_disk(Duration cost);
  /// When the disk has done all that was booked.
  [[nodiscard]] Instant disk_free_at() const { return disk_free_at_; }

  // --- quota trees ----------------------------------------------------------------------------
  [[nodiscard]] const std::map<TreeId, QuotaTree>& trees() const { return trees_; }
  /// Makes an empty directory the root of a new tree.
  TreeId make_tree(InodeId directory);
  void set_limit(TreeId tree, TreeLimit limit) { trees_.at(tree).limit = limit; }

  [[nodiscard]] WallTime wall() const;

 private:
  InodeId allocate();
  void release(InodeId id);
  void drop_link(InodeId id);
  Status charge(std::uint16_t fs, TreeId tree, std::uint64_t blocks, std::uint64_t inodes,
                std::string_view operation, std::string_view path) const;
  void book(const Inode& inode, std::int64_t blocks, std::int64_t inodes);
  Status resize(InodeId file, std::uint64_t size, std::string_view operation,
                std::string_view path);
  void set_name(InodeId directory, std::string_view name, InodeId target);
  Unsynced* record(InodeId id);
  void record_content(InodeId id, std::uint64_t durable_length);
  void record_attributes(InodeId id);
  void forget_if_clean(InodeId id);
  void commit_name(InodeId directory, const std::string& name);
  void commit_all_names();
  void drop_record(InodeId id);
  void sweep();
  void load_inode(LoadArchive& archive, Inode& inode, const BlobTable& blobs);
  void recount();

  Node& node_;
  InodeTable inodes_;  // [0] unused
  std::vector<InodeId> free_;
  std::vector<FileSystem> systems_;
  std::map<TreeId, QuotaTree> trees_;
  TreeId next_tree_ = 1;
  std::map<InodeId, Unsynced> unsynced_;
  Instant disk_free_at_{};
  std::function<void(InodeId)> nameless_;
};

}  // namespace twinhull::sim
