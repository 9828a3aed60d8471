// Port: mounts on the node.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull {

/// A layered root: `lowers` (first = topmost) are read-only, changes go to `upper`.
struct OverlaySpec {
  std::vector<std::string> lowers;
  std::string upper;
  std::string work;  ///< empty directory on the same file system as `upper`
};

struct MountInfo {
  std::string target;
  std::string type;    ///< "overlay", "bind", "tmpfs", …: as the kernel names it
  std::string source;  ///< bind: the bound directory; overlay: "overlay"
  bool read_only = false;
};

/// Mount table of the node. Mount points must exist (not_found) and be directories
/// (not_directory). Mounts are lost at a power cut.
class Mounts {
 public:
  virtual ~Mounts() = default;
  /// Errors: busy (something is mounted at `target` already), not_found (a layer), not_supported.
  virtual Status overlay(const std::string& target, const OverlaySpec& spec) = 0;
  /// Errors: busy (something is mounted at `target` already), not_found.
  virtual Status bind(const std::string& source, const std::string& target,
                      bool read_only = false) = 0;
  /// Memory file system of at most `size`. Errors: busy.
  virtual Status tmpfs(const std::string& target, Bytes size) = 0;
  /// Takes the topmost mount off `target`; Effect::none when nothing was mounted.
  /// Errors: busy (open files or a process inside), unless `lazy` (MNT_DETACH).
  virtual Result<Effect> unmount(const std::string& target, bool lazy = false) = 0;
  /// The mount at exactly `target`, std::nullopt when there is none.
  virtual Result<std::optional<MountInfo>> find(const std::string& target) = 0;
  /// All mounts whose target is `prefix` or lies below it, in mount order.
  virtual Result<std::vector<MountInfo>> list(const std::string& prefix) = 0;
};

}  // namespace twinhull
