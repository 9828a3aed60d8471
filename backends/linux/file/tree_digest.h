// The digest of a tree.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "backends/linux/file/attributes.h"
#include "backends/linux/file/entry.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// Identity of a file with several names.
using InodeKey = std::pair<std::uint64_t, std::uint64_t>;  ///< device, inode
inline InodeKey key_of(const EntryFacts& facts) {
  return {(std::uint64_t{facts.device_major} << 32) | facts.device_minor, facts.inode};
}

/// Builds a digest (XXH3, 64 bits) in the order of walk_tree. For each entry: `begin`; for a
/// regular file that was not met before its whole content through `content`; nothing at the end.
/// Covered: relative path, kind, permission bits, owner, link target, device numbers, which names
/// are one file, extended attributes that are content, size and bytes. Not covered: times, and how
/// the file system lays the bytes out (holes).
class TreeDigest {
 public:
  TreeDigest();
  ~TreeDigest();
  TreeDigest(const TreeDigest&) = delete;
  TreeDigest& operator=(const TreeDigest&) = delete;

  /// `target`: of a symbolic link. `first_name`: path of the same file when it was met before.
  void begin(const std::string& path, const EntryFacts& facts, const Attributes& attributes,
             const std::string& target, const std::string& first_name);
  void content(std::string_view data);
  /// 16 hex digits.
  [[nodiscard]] std::string text() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Digest of the tree at `path`. Directories that are mount points are entered.
Result<std::string> digest_tree(const std::string& path, std::string_view operation);

}  // namespace twinhull::linux_backend
