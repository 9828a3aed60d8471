// Port: files and trees.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull {

enum class FileKind : std::uint8_t { regular, directory, symlink, device, fifo, socket };

/// What stat(2) tells, without following a final symbolic link.
struct FileInfo {
  FileKind kind = FileKind::regular;
  Bytes size;                 ///< apparent size
  Bytes allocated;            ///< space that it takes
  std::uint32_t mode = 0644;  ///< permission bits only (07777)
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t inode = 0;
  std::uint32_t links = 1;
  WallTime modified;
};

struct DirectoryEntry {
  std::string name;
  FileKind kind = FileKind::regular;
};

struct Ownership {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};

/// What a whole tree holds, as a bulk call counted it.
struct TreeSize {
  Bytes bytes;    ///< sum of the apparent sizes of regular files, hard links once
  Inodes inodes;  ///< files, directories, links and nodes, the top included
  bool operator==(const TreeSize&) const = default;
};

/// Files of one node. Paths are absolute, use '/', and hold no ".." component
/// (invalid_argument). Intermediate symbolic links are followed; a final one only where said.
///
/// Durability: nothing that was not synced survives a power cut. `sync` on a file makes its
/// content durable; `sync` on a directory makes the names in it durable (fsync(2)).
/// Common errors: not_found, not_directory, too_many_links, not_permitted, read_only, no_space,
/// quota_exceeded, input_output, node_down.
class Files {
 public:
  virtual ~Files() = default;

  /// Whole content of a regular file; follows a final link. Errors: is_directory;
  /// limit_exceeded when larger than `most`.
  virtual Result<std::string> read(const std::string& path, Bytes most = {16 << 20}) = 0;
  /// Replaces the content of (or creates) a regular file; follows a final link. Not atomic towards
  /// a power cut: write beside it, sync and rename for that. The mode applies on creation only.
  virtual Status write(const std::string& path, std::string_view content,
                       std::uint32_t mode = 0644) = 0;
  /// Appends to (or creates) a regular file.
  virtual Status append(const std::string& path, std::string_view content,
                        std::uint32_t mode = 0644) = 0;
  /// Makes content (file) or names (directory) durable.
  virtual Status sync(const std::string& path) = 0;

  /// Facts of one path; a final link is not followed. std::nullopt = nothing there.
  virtual Result<std::optional<FileInfo>> stat(const std::string& path) = 0;
  /// Names in a directory, sorted by bytes, without "." and "..".
  virtual Result<std::vector<DirectoryEntry>> list(const std::string& path) = 0;

  /// Makes one directory; Effect::none when a directory is there. Errors: exists (not a directory).
  virtual Result<Effect> make_directory(const std::string& path, std::uint32_t mode = 0755) = 0;
  /// Removes one file, link, node or empty directory; Effect::none when nothing was there.
  /// Errors: not_empty, busy (a mount point).
  virtual Result<Effect> remove(const std::string& path) = 0;
  /// Moves atomically, replacing a file (or an empty directory) at `to`. Errors: cross_device,
  /// not_empty, busy.
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  /// A second name for a file, atomically. Errors: exists (the name is taken), cross_device.
  virtual Status hard_link(const std::string& existing, const std::string& name) = 0;
  /// Errors: exists.
  virtual Status make_symlink(const std::string& target, const std::string& path) = 0;
  virtual Result<std::string> read_symlink(const std::string& path) = 0;
  virtual Status set_mode(const std::string& path, std::uint32_t mode) = 0;
  virtual Status set_owner(const std::string& path, Ownership owner) = 0;

  /// Removes a whole tree; Effect::none when nothing was there. Does not cross mount points
  /// (busy). A power cut in the middle leaves a part of it.
  virtual Result<Effect> remove_tree(const std::string& path) = 0;
  /// Copies a tree with modes, owners, times, links, nodes and extended attributes, sharing
  /// blocks where the file system can. `to` must not exist (exists). Synced when it returns.
  virtual Result<TreeSize> copy_tree(const std::string& from, const std::string& to) = 0;
  /// Counts a tree, staying on its file system.
  virtual Result<TreeSize> measure_tree(const std::string& path) = 0;
  /// Digest over names, kinds, modes, owners, contents and link targets of a tree, 16 hex digits.
  /// Equal trees have equal digests on one backend; times do not count.
  virtual Result<std::string> digest_tree(const std::string& path) = 0;

  /// Reads a file below `root` as a process whose root is `root` would see it: no link leads out
  /// (openat2(2), RESOLVE_IN_ROOT). For files that a container owns.
  virtual Result<std::string> read_inside(const std::string& root, const std::string& path,
                                          Bytes most = {1 << 20}) = 0;
  /// Whether `path` below `root` exists, resolved inside `root`; follows a final link.
  virtual Result<bool> exists_inside(const std::string& root, const std::string& path) = 0;
};

}  // namespace twinhull
