// What can be done with paths: the one implementation behind the Files port and FileView.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/sim/files/view.h"
#include "backends/sim/files/walker.h"
#include "backends/sim/node.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/quotas.h"

namespace twinhull::sim {

/// Called in the middle of bulk work with what was done since the last call; may block. An error
/// breaks the work off.
using Pace = std::function<Status(std::uint64_t bytes, std::uint64_t inodes)>;

/// Bound to one root for the time of one call or a few. Nothing here takes virtual time but `pace`.
class FileOps {
 public:
  /// The whole node; ".." is refused.
  explicit FileOps(Node& node) : node_(node), dotdot_(DotDot::refuse) {}
  /// As a process below `root`; ".." is allowed.
  FileOps(Node& node, const FileRoot& root) : node_(node), root_(&root), dotdot_(DotDot::allow) {}

  Result<std::string> read(std::string_view path, std::uint64_t most, bool refuse_longer);
  Status write(std::string_view path, std::string_view content, std::uint32_t mode);
  Status append(std::string_view path, std::string_view content, std::uint32_t mode);
  Result<FileView::Grown> append_synthetic(std::string_view path, std::uint64_t length,
                                           std::uint64_t seed, std::uint32_t mode);
  Status truncate(std::string_view path, std::uint64_t size);
  /// Returns the bytes that had to be written.
  Result<std::uint64_t> sync(std::string_view path);

  Result<std::optional<FileInfo>> stat(std::string_view path, FinalLink final_link);
  Result<std::vector<DirectoryEntry>> list(std::string_view path);
  Result<Effect> make_directory(std::string_view path, std::uint32_t mode);
  Result<Effect> remove(std::string_view path);
  Status rename(std::string_view from, std::string_view to);
  Status hard_link(std::string_view existing, std::string_view name);
  Status make_symlink(std::string_view target, std::string_view path);
  Status make_device(std::string_view path, FileKind kind, std::uint32_t mode);
  Result<std::string> read_symlink(std::string_view path);
  Status set_mode(std::string_view path, std::uint32_t mode);
  Status set_owner(std::string_view path, Ownership owner);
  Status touch(std::string_view path);

  Result<Effect> remove_tree(std::string_view path, const Pace& pace);
  Result<TreeSize> copy_tree(std::string_view from, std::string_view to, const Pace& pace);
  Result<TreeSize> measure_tree(std::string_view path);
  Result<std::string> digest_tree(std::string_view path);
  Result<std::string> digest_file(std::string_view path);
  std::optional<FileView::Shared> shared_file(std::string_view path);
  /// `trees`: a quota tree's limit is what a program inside sees (statfs of a project).
  Result<DiskInfo> disk(std::string_view path);

  Result<FileRoot> root_at(std::string_view path);
  /// Reads or looks below `root` as a process there would.
  Result<std::string> read_inside(std::string_view root, std::string_view path, std::uint64_t most);
  Result<bool> exists_inside(std::string_view root, std::string_view path);

 private:
  Status walk(Walker& walker, std::string_view path, FinalLink final_link);
  /// The regular file at `path`, writable; made when absent.
  Result<InodeId> open_for_writing(std::string_view operation, std::string_view path,
                                   std::uint32_t mode);
  /// A new object; its name must be free. Handles whiteouts.
  Result<InodeId> make(Walker& walker, std::string_view path, FileKind kind, std::uint32_t mode,
                       std::string_view operation);
  Status take_name(Walker& walker, std::size_t parent, const Spot& spot, std::string_view name,
                   std::string_view operation, std::string_view path);

  Node& node_;
  const FileRoot* root_ = nullptr;
  DotDot dotdot_;
};

/// Facts of an inode.
FileInfo info_of(const FileStore& files, InodeId id);

/// Walks a merged tree in a fixed order, without crossing mounts: `visit(path below the top,
/// spot)`.
void visit_tree(const FileStore& files, const Spot& top,
                const std::function<void(const std::string&, const Spot&)>& visit);
/// Whether marks of overlay layers show: they do in a layer itself, not through the overlay.
enum class Layers : bool { hidden, shown };
/// As Files::measure_tree and Files::digest_tree.
TreeSize measure(const FileStore& files, const Spot& top);
std::string digest(const FileStore& files, const Spot& top, Layers layers);
Layers layers_at(const MountTable& mounts, const Spot& spot);

}  // namespace twinhull::sim
