// Resolves paths through directories, links, mounts and overlay layers.
#pragma once

#include <boost/container/small_vector.hpp>
#include <string>
#include <string_view>

#include "backends/sim/files/file_store.h"
#include "backends/sim/files/mount_table.h"
#include "backends/sim/files/view.h"
#include "backends/sim/node.h"

namespace twinhull::sim {

enum class FinalLink : bool { keep, follow };
/// Whether ".." is a directory above (programs) or refused (the Files port).
enum class DotDot : bool { refuse, allow };

/// One walk. Nothing may change in the file store while it is used, except through make_writable.
class Walker {
 public:
  struct Step {
    Spot spot;
    std::string_view name;     ///< in the step before; of a mount's root: as in its parent
    std::uint32_t parent = 0;  ///< index of the directory that ".." leads to
  };

  Walker(Node& node, std::string_view operation)
      : files_(*node.files), mounts_(*node.mounts), operation_(operation) {}

  /// Starts at the node's root, or at a process's. Errors: not_found (the root was removed).
  Status start(const FileRoot& root);
  void start_at_node();
  /// What was found becomes the root: ".." and absolute links stop there.
  void confine() { floor_ = steps_.size() - 1; }

  /// The rule of the Files port for the text of a path, checked before anything is looked up: also
  /// for the second path of a call. Errors: invalid_argument.
  static Status check_path(std::string_view operation, std::string_view path);

  /// Walks from the root. Success also when the last name is missing: then found() is false and
  /// last() is the directory that lacks it. Errors: invalid_argument, not_found (a directory on the
  /// way), not_directory, too_many_links.
  Status walk(std::string_view path, FinalLink final_link, DotDot dotdot);

  [[nodiscard]] bool found() const { return found_; }
  /// What was found; otherwise the directory that lacks name().
  [[nodiscard]] const Spot& last() const { return steps_.back().spot; }
  [[nodiscard]] const Inode& inode() const { return files_.at(last().top()); }
  /// Last component; empty when the path is the root.
  [[nodiscard]] std::string_view name() const { return name_; }
  /// Index in steps of the directory that holds name(), for parent_spot and make_writable.
  [[nodiscard]] std::size_t parent() const { return parent_; }
  [[nodiscard]] std::size_t last_index() const { return steps_.size() - 1; }
  [[nodiscard]] const Spot& spot(std::size_t index) const { return steps_[index].spot; }
  /// The found object is the root of a mount: it cannot be removed or renamed.
  [[nodiscard]] bool at_mount_root() const { return mount_root_; }
  /// The mount whose root was found.
  [[nodiscard]] MountId mount() const { return last().mount; }

  /// Copies up the directory (or file) of step `index` and those above it, so that it can change.
  /// Returns its upper inode. Errors: read_only, no_space, quota_exceeded.
  Result<InodeId> make_writable(std::size_t index, std::string_view path);

  /// The object `name` of the directory `parent`, mounts not crossed; top() == 0 = none.
  static Spot child(const FileStore& files, const Spot& parent, std::string_view name);
  /// Whether a layer below the upper one shows `name`.
  static bool below_has(const FileStore& files, const Spot& parent, std::string_view name);
  /// Names of a directory as merged from its layers.
  static std::map<std::string, Spot, std::less<>> merged(const FileStore& files, const Spot& spot);
  /// The root of what was found, for a process that is to live in it.
  [[nodiscard]] FileRoot root_here() const;
  /// Path of step `index` inside its mount.
  [[nodiscard]] std::string inner_path(std::size_t index) const;

 private:
  Status step_into(std::string_view name, std::string_view path);
  Status enter_mounts(std::string_view path);
  Status push_mount_root(MountId id, std::uint32_t parent, std::string_view name,
                         std::string_view path);

  FileStore& files_;
  MountTable& mounts_;
  std::string_view operation_;
  boost::container::small_vector<Step, 10> steps_;
  std::size_t floor_ = 0;
  std::size_t parent_ = 0;
  std::string_view name_;
  bool found_ = false;
  bool mount_root_ = false;
};

}  // namespace twinhull::sim
