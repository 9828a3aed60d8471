// Files as a process of the simulator sees them: through its root directory.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/sim/engine/archive.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull::sim {

struct Node;

/// A process's root directory: a mount and a directory inside it. Stays valid when the mount is
/// detached (lazy unmount); dead after a power cut. Default: the node's own root.
struct FileRoot {
  std::uint32_t mount = 0;  ///< number in the mount table; 0 = the node's root file system
  std::string inner;        ///< directory inside the mount, "" = the mount's root, else "/dir/dir"
  bool operator==(const FileRoot&) const = default;
  template <typename Archive>
  void serialize(Archive& archive) {
    archive(mount, inner);
  }
};

/// Calls for programs (shell, applets, vzload). Plain values, no gate and no virtual time: the
/// caller charges time and knows that its process lives. Paths are absolute, ".." is allowed and
/// stops at the root, symbolic links resolve inside the root. All errors as in the Files port; the
/// operation text is "files.NAME", for programs to turn into strerror-like text.
/// Cheap to make: one per call is fine.
class FileView {
 public:
  /// `root` must come from root_of() of the same boot.
  FileView(Node& node, FileRoot root) : node_(node), root_(std::move(root)) {}

  /// The root for a process whose root directory is `path` of the node. Errors: not_found,
  /// not_directory.
  static Result<FileRoot> root_of(Node& node, const std::string& path);

  [[nodiscard]] Result<std::string> read(std::string_view path, Bytes most = {16 << 20}) const;
  /// Up to `most` first bytes; longer files are cut, not refused (head, cat of the first screens).
  [[nodiscard]] Result<std::string> read_first(std::string_view path, Bytes most) const;
  Status write(std::string_view path, std::string_view content, std::uint32_t mode = 0644) const;
  Status append(std::string_view path, std::string_view content, std::uint32_t mode = 0644) const;
  /// Appends `length` bytes that cost no memory, generated from `seed` (0 = zero bytes). Returns
  /// how much fitted: less than `length`, down to whole blocks, when disk or quota refuse the rest
  /// (then `refusal` says why).
  struct Grown {
    Bytes appended;
    std::optional<Error> refusal;
  };
  Result<Grown> append_synthetic(std::string_view path, Bytes length, std::uint64_t seed,
                                 std::uint32_t mode = 0644) const;
  /// Cuts or extends (with zeros) to `size`. Errors as write.
  Status truncate(std::string_view path, Bytes size) const;
  Status sync(std::string_view path) const;
  /// sync(1): everything of the file system becomes durable.
  void sync_all() const;

  /// A final link is not followed (lstat).
  [[nodiscard]] Result<std::optional<FileInfo>> stat(std::string_view path) const;
  /// A final link is followed (stat).
  [[nodiscard]] Result<std::optional<FileInfo>> stat_target(std::string_view path) const;
  [[nodiscard]] Result<std::vector<DirectoryEntry>> list(std::string_view path) const;
  Result<Effect> make_directory(std::string_view path, std::uint32_t mode = 0755) const;
  Result<Effect> remove(std::string_view path) const;
  Status rename(std::string_view from, std::string_view to) const;
  Status hard_link(std::string_view existing, std::string_view name) const;
  Status make_symlink(std::string_view target, std::string_view path) const;
  [[nodiscard]] Result<std::string> read_symlink(std::string_view path) const;
  Status make_device(std::string_view path, FileKind kind, std::uint32_t mode) const;
  Status set_mode(std::string_view path, std::uint32_t mode) const;
  Status set_owner(std::string_view path, Ownership owner) const;
  Status touch(std::string_view path) const;
  Result<Effect> remove_tree(std::string_view path) const;
  /// cp -a. Errors: exists (`to` is there).
  Result<TreeSize> copy_tree(std::string_view from, std::string_view to) const;
  [[nodiscard]] Result<TreeSize> measure_tree(std::string_view path) const;
  /// Digest of one regular file, 16 hex digits (sha256sum).
  [[nodiscard]] Result<std::string> digest_file(std::string_view path) const;
  /// A file that other roots may show as well: it lies in a lower layer of an overlay, and nothing
  /// of it is in the upper one. std::nullopt for every other path.
  struct Shared {
    std::uint32_t inode = 0;
    Bytes size;
  };
  [[nodiscard]] std::optional<Shared> shared_file(std::string_view path) const;
  /// Size and free space of the file system that holds `path`, a quota tree's limit included (df).
  [[nodiscard]] Result<DiskInfo> disk(std::string_view path) const;

  [[nodiscard]] const FileRoot& root() const { return root_; }

 private:
  Node& node_;
  FileRoot root_;
};

/// One object of a tree in transit between two nodes (Channel::send_tree): no bytes move, extents
/// are shared.
class TreeImage;
/// Takes a picture of directory `path` of `node` (a path of the node); `hollow` as TransferOptions.
Result<std::shared_ptr<const TreeImage>> export_tree(Node& node, const std::string& path,
                                                     const std::vector<std::string>& hollow = {});
/// What the image holds.
TreeSize size_of(const TreeImage& image);
/// As Files::digest_tree of the tree.
std::string digest_of(const TreeImage& image);
/// Puts the content into the existing directory `path`, and makes it durable when that is wanted;
/// instantaneous: the caller charges the time. After an error (no_space, quota_exceeded) a part is there.
Status import_tree(Node& node, const std::string& path, const TreeImage& image, bool durable);
/// The time that the node's disk takes for `bytes`, queued behind its other work.
Duration charge_disk(Node& node, Bytes bytes);

}  // namespace twinhull::sim
