// One mechanism that keeps quota trees.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "backends/linux/linux_kernel.h"
#include "runtime/kernel/quotas.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// Quota trees by one mechanism. Paths are clean. `create` is called for a free place whose parent
/// exists; the others for a tree of this mechanism that nothing is mounted on or from.
class TreeStore {
 public:
  virtual ~TreeStore() = default;
  virtual Status create(const std::string& path) = 0;
  /// What Quotas::create_tree has to do for a tree that is there (after a boot).
  virtual Status revive(const std::string&) { return {}; }
  virtual Result<TreeLimit> set_limit(const std::string& path, TreeLimit limit) = 0;
  virtual Result<TreeUsage> usage(const std::string& path) = 0;
  virtual Status remove(const std::string& path) = 0;
  virtual Status rename(const std::string& from, const std::string& to) = 0;
};

/// btrfs: a subvolume with its qgroup. Precondition: a btrfs.
std::unique_ptr<TreeStore> make_btrfs_store(const NodeOptions& options);
/// Whether the file system at `place` counts by qgroups, or may be told to. Precondition: it
/// exists.
Result<bool> has_btrfs_quota(const NodeOptions& options, const std::string& place,
                             std::string_view operation);
/// Whether `path` is the top of a btrfs subvolume.
bool is_btrfs_subvolume(const std::string& path);

/// ext4, xfs: a directory with a project id of its own.
std::unique_ptr<TreeStore> make_project_store();
/// Whether the file system at `place` enforces project quota. Precondition: it exists.
Result<bool> has_project_quota(const std::string& place, std::string_view operation);
/// Whether `path` is the top of a project: it has an id that its parent has not.
bool is_project_tree(const std::string& path);

/// Any file system: an ext4 image PATH.img, mounted at PATH.
std::unique_ptr<TreeStore> make_image_store(const NodeOptions& options);
/// The image of a tree.
inline std::string image_path(const std::string& path) {
  return path + ".img";
}
/// Whether `path` is an image's tree, mounted or not.
bool is_image_tree(const std::string& path);

}  // namespace twinhull::linux_backend
