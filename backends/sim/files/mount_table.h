// The mounts of one node.
#pragma once

#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "backends/sim/files/file_store.h"
#include "backends/sim/node.h"
#include "runtime/kernel/mounts.h"

namespace twinhull::sim {

using MountId = std::uint32_t;  ///< 0 = the root file system

/// A place in a mount. Plain mounts: `upper` is the inode. Overlay mounts: the layers that have the
/// name, `upper` 0 when only lower ones do; several only for merged directories.
struct Spot {
  MountId mount = 0;
  InodeId upper = 0;
  boost::container::small_vector<InodeId, 2> lowers;
  [[nodiscard]] InodeId top() const { return upper != 0 ? upper : lowers.empty() ? 0 : lowers[0]; }
};

struct Mount {
  enum class Type : std::uint8_t { root, bind, overlay, tmpfs } type = Type::bind;
  std::string target;  ///< path as mounted; follows renames of directories above
  std::string source;  ///< bind: the bound directory
  bool read_only = false;
  bool attached = true;  ///< false after a lazy unmount
  MountId parent = 0;    ///< where it is mounted on …
  InodeId covered = 0;   ///< … and on which directory
  std::uint16_t fs = 0;  ///< tmpfs: its file system
  // The mount's root.
  std::uint32_t overlay =
      0;              ///< overlay that it shows (index of the mount that made it); 0 = plain
  std::string inner;  ///< bind of a part of an overlay: "/dir/dir" from the overlay's root
  InodeId root = 0;   ///< plain: the root directory. Overlay: the upper directory
  InodeId work = 0;
  std::vector<InodeId> lowers;
  template <typename Archive>
  void serialize(Archive& archive) {
    archive(type, target, source, read_only, attached, parent, covered, fs, overlay, inner, root,
            work, lowers);
  }
};

class MountTable final : public NodePart {
 public:
  explicit MountTable(Node& node);

  void power_off() override;
  void power_on() override {}
  void save(SaveArchive& archive) const override;
  void load(LoadArchive& archive) override;
  [[nodiscard]] Status check() const override;

  [[nodiscard]] const Mount& at(MountId id) const { return mounts_.at(id); }
  [[nodiscard]] bool known(MountId id) const { return mounts_.contains(id); }
  /// What is mounted directly on this directory of this mount.
  [[nodiscard]] std::optional<MountId> covering(MountId mount, InodeId directory) const;
  /// Whether `mount`, or one below it, is the mount of this overlay's layers already.
  [[nodiscard]] bool upper_in_use(InodeId upper) const;
  /// Registers; pins the root directories. The walker checked everything.
  MountId add(Mount mount);
  /// Takes the mount away (and, lazily, all below it). A detached one stays known while a process
  /// is inside.
  void detach(MountId id);
  [[nodiscard]] bool has_children(MountId id) const;
  /// The mounts whose target is `prefix` or lies below it, in mount order.
  [[nodiscard]] std::vector<MountId> below(std::string_view prefix) const;
  /// A covered directory of an overlay was copied up: its identity changed.
  void copied_up(MountId mount, InodeId before, InodeId after);
  /// A directory above mount points moved.
  void renamed(const std::string& from, const std::string& to);
  [[nodiscard]] MountInfo info(MountId id) const;
  [[nodiscard]] std::size_t count() const { return mounts_.size(); }

 private:
  void forget(MountId id);
  void count_users(const Mount& mount, MountId id, bool more);
  void collect_detached();
  static std::uint64_t key(MountId mount, InodeId directory) {
    return (std::uint64_t{mount} << 32U) | directory;
  }
  void index(MountId id);

  Node& node_;
  std::map<MountId, Mount> mounts_;
  MountId next_ = 1;
  std::unordered_map<std::uint64_t, MountId> covers_;        // looked up only
  std::unordered_map<InodeId, std::uint32_t> cover_counts_;  // mounts on a directory, any mount
  std::unordered_map<InodeId, std::uint32_t> uppers_;
  std::map<std::string, std::vector<MountId>, std::less<>> by_target_;
  std::map<MountId, std::uint32_t> children_;
  std::map<MountId, std::uint32_t> dependents_;      // binds of parts of an overlay
  std::map<std::uint16_t, std::uint32_t> fs_users_;  // layers and roots on a memory file system
  std::vector<MountId> detached_;
};

}  // namespace twinhull::sim
