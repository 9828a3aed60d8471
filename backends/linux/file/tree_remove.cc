// Removing and measuring of trees.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "backends/linux/errno_error.h"
#include "backends/linux/file/path.h"
#include "backends/linux/file/tree_digest.h"
#include "backends/linux/file/tree_walk.h"
#include "backends/linux/file/trees.h"
#include "backends/linux/mount_table.h"

namespace twinhull::linux_backend {
namespace {

class RemoveVisitor final : public TreeVisitor {
 public:
  RemoveVisitor(const std::string& top, std::string_view operation)
      : top_(top), operation_(operation) {}

  Result<Descend> enter(const WalkEntry& entry) override {
    if (entry.path.empty()) mount_ = entry.facts.mount;
    // Also said by remove_tree beforehand; this is for a mount that was made since.
    if (entry.facts.mount != mount_)
      return fail(ErrorCode::busy, operation_, top_ + "/" + entry.path, "a mount point");
    return Descend::yes;
  }
  Status leave(const WalkEntry& entry) override { return remove(entry, AT_REMOVEDIR); }
  Status leaf(const WalkEntry& entry) override { return remove(entry, 0); }

 private:
  Status remove(const WalkEntry& entry, int flags) {
    if (::unlinkat(entry.directory, entry.name.c_str(), flags) == 0 || errno == ENOENT) return {};
    return system_error(operation_, entry.path.empty() ? top_ : top_ + "/" + entry.path, errno,
                        "cannot remove");
  }

  const std::string& top_;
  const std::string_view operation_;
  std::uint64_t mount_ = 0;
};

class MeasureVisitor final : public TreeVisitor {
 public:
  Result<Descend> enter(const WalkEntry& entry) override {
    if (entry.path.empty()) mount_ = entry.facts.mount;
    // A mount point counts as the directory that it covers.
    ++size_.inodes.value;
    return entry.facts.mount == mount_ ? Descend::yes : Descend::no;
  }
  Status leave(const WalkEntry&) override { return {}; }
  Status leaf(const WalkEntry& entry) override {
    if (entry.facts.links > 1 && !seen_.insert(key_of(entry.facts)).second) return {};
    ++size_.inodes.value;
    if (entry.facts.is_regular()) size_.bytes.value += entry.facts.size;
    return {};
  }
  [[nodiscard]] TreeSize size() const { return size_; }

 private:
  std::uint64_t mount_ = 0;
  TreeSize size_;
  std::set<InodeKey> seen_;
};

}  // namespace

Result<Effect> remove_tree(const std::string& path, std::string_view operation) {
  EntryFacts facts;
  if (const int error = read_facts(AT_FDCWD, path.c_str(), facts); error != 0) {
    if (error == ENOENT) return Effect::none;
    return system_error(operation, path, error);
  }
  if (facts.is_directory()) {
    TH_ASSIGN(const auto real, real_path(path, operation));
    TH_ASSIGN(const auto mounts, read_mount_table(operation));
    for (const MountEntry& mount : mounts) {
      if (!is_at_or_below(mount.target, real)) continue;
      return fail(ErrorCode::busy, operation, path, "something is mounted at " + mount.target)
          .with_hint("unmount it first");
    }
  }
  RemoveVisitor visitor(path, operation);
  TH_TRY(walk_tree(path, operation, visitor));
  return Effect::changed;
}

Result<TreeSize> measure_tree(const std::string& path, std::string_view operation) {
  MeasureVisitor visitor;
  TH_TRY(walk_tree(path, operation, visitor));
  return visitor.size();
}

}  // namespace twinhull::linux_backend
