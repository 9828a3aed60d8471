// Page cache of files that several containers have in common (models 6.4).
#include <algorithm>
#include <iterator>

#include "backends/sim/memory/memory_tree.h"
#include "backends/sim/memory/pages.h"

namespace twinhull::sim {

void MemoryTree::take_cache(MemoryGroupId id, std::uint64_t bytes) {
  Group& group = groups_.at(id);
  group.own_cache -= bytes;
  change(id, 0, -static_cast<std::int64_t>(bytes), 0);
  for (auto file = shared_.begin(); group.own_shared > group.own_cache;) {
    auto& charges = file->second;
    if (const auto own = charges.find(id); own != charges.end()) {
      const std::uint64_t part = std::min(own->second, group.own_shared - group.own_cache);
      group.own_shared -= part;
      if ((own->second -= part) == 0) charges.erase(own);
    }
    file = charges.empty() ? shared_.erase(file) : std::next(file);
  }
}

void MemoryTree::read_shared(MemoryGroupId id, SharedFileId file, Bytes bytes) {
  const std::uint64_t wanted = pages_up(bytes.value);
  std::uint64_t cached = 0;
  if (const auto found = shared_.find(file); found != shared_.end()) {
    for (const auto& [group, part] : found->second) cached += part;
  }
  if (cached >= wanted) return;
  // Making room may take pages of this very file; they come back with the next reader.
  const std::uint64_t added = put_cache(id, wanted - cached);
  if (added == 0) return;
  groups_.at(id).own_shared += added;
  shared_[file][id] += added;
}

void MemoryTree::forget_shared(SharedFileId file) {
  const auto found = shared_.find(file);
  if (found == shared_.end()) return;
  for (const auto& [id, part] : found->second) {
    groups_.at(id).own_shared -= part;
    groups_.at(id).own_cache -= part;
    change(id, 0, -static_cast<std::int64_t>(part), 0);
  }
  shared_.erase(found);
}

Bytes MemoryTree::shared() const {
  std::uint64_t sum = 0;
  for (const auto& [id, group] : groups_) sum += group.own_shared;
  return {sum};
}

Status MemoryTree::check_shared() const {
  std::map<MemoryGroupId, std::uint64_t> charged;
  bool whole = true;
  for (const auto& [file, charges] : shared_) {
    whole = whole && !charges.empty();
    for (const auto& [id, part] : charges) {
      whole = whole && part != 0;
      charged[id] += part;
    }
  }
  for (const auto& [id, group] : groups_) {
    const auto found = charged.find(id);
    const std::uint64_t sum = found == charged.end() ? 0 : found->second;
    whole = whole && sum == group.own_shared && group.own_shared <= group.own_cache;
  }
  if (whole) return {};
  return fail(ErrorCode::corrupt, "memory.check", "shared files",
              "their pages do not add up to what groups are charged");
}

}  // namespace twinhull::sim
