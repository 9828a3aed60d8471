// Port: disk quota of a tree (first level, spec F4.19).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull {

/// What enforces a tree's limit.
enum class QuotaMechanism : std::uint8_t {
  none,          ///< nothing does
  btrfs_qgroup,  ///< bytes only
  project,       ///< ext4 or xfs project quota: bytes and inodes
  image,         ///< one file-system image a tree: bytes and inodes
  simulated,     ///< the simulator's counters: bytes and inodes
};
std::string_view to_string(QuotaMechanism mechanism);

/// Hard limits of a tree; kUnlimited = none.
struct TreeLimit {
  Bytes bytes{kUnlimited};
  Inodes inodes{kUnlimited};
  bool operator==(const TreeLimit&) const = default;
};

struct TreeUsage {
  Bytes bytes;
  Inodes inodes;
  TreeLimit limit;
};

/// Quota trees: directories whose content is counted and limited as one. They survive a power cut.
class Quotas {
 public:
  virtual ~Quotas() = default;
  /// What would act on a tree made at `path` (the nearest existing ancestor counts).
  virtual Result<QuotaMechanism> mechanism(const std::string& path) = 0;
  /// Makes the empty directory `path` as a quota tree without limit. Where no mechanism acts it
  /// is a plain directory. Effect::none when the tree is there. Errors: exists (not a quota tree).
  virtual Result<Effect> create_tree(const std::string& path) = 0;
  /// Sets hard limits and returns what acts: a bound that the mechanism cannot keep comes back as
  /// kUnlimited. Errors: not_found, not_supported (no mechanism at all and a bound was asked for).
  virtual Result<TreeLimit> set_limit(const std::string& path, TreeLimit limit) = 0;
  /// Errors: not_found, not_supported.
  virtual Result<TreeUsage> usage(const std::string& path) = 0;
  /// Removes the tree with all its content; Effect::none when nothing was there.
  /// Errors: busy (mounted).
  virtual Result<Effect> remove_tree(const std::string& path) = 0;
  /// Moves a whole tree with its limit, on the same file system. Errors: not_found, exists,
  /// cross_device, busy.
  virtual Status rename_tree(const std::string& from, const std::string& to) = 0;
};

}  // namespace twinhull
