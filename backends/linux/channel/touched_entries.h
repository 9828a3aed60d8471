// What an update of a tree has touched, so that little of it is made durable by itself.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "backends/linux/unique_fd.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// Remembers entries until they are many. A sync of the whole file system waits for everybody's
/// writes: the last copy before a container moves would wait, frozen, for the images that rounds of
/// pre-copy left in the cache. A few plain files and directories are synced one by one instead: fsync(2)
/// of a file and of the directory that names it, which is what ext4, xfs and btrfs promise to keep.
class TouchedEntries {
 public:
  /// More than so many are a matter for the whole file system.
  static constexpr std::size_t kMost = 32;

  /// A regular file or a directory; "" = the top of the tree.
  void note(const std::string& path) {
    if (!too_much_) paths_.insert(path);
    too_much_ = too_much_ || paths_.size() > kMost;
  }
  /// Something of which no promise is known (links, nodes, removed directories).
  void note_other() { too_much_ = true; }

  /// Opens the directory `path` below the top.
  using OpenDirectory = std::function<Result<UniqueFd>(const std::string& path)>;

  /// Makes them durable, and nothing else where they are few. `top`: the tree, for the whole sync
  /// otherwise. Errors: input_output, disk_full, those of sync_file_system.
  [[nodiscard]] Status sync(const std::string& top, std::string_view operation,
                            const OpenDirectory& open) const;

 private:
  std::set<std::string> paths_;
  bool too_much_ = false;
};

}  // namespace twinhull::linux_backend
