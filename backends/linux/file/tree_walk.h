// Walks over trees that containers own: any depth, hostile names, no link followed.
#pragma once

#include <string>
#include <string_view>

#include "backends/linux/file/entry.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// One entry in its place. The top has `directory` = AT_FDCWD and the path as its name.
struct WalkEntry {
  int directory;  ///< descriptor of the directory that holds it
  const std::string& name;
  const std::string& path;  ///< relative to the top; empty for the top itself
  const EntryFacts& facts;
};

/// What to do with a directory.
enum class Descend : bool { no, yes };

/// Whether the tree may be in use while it is walked. `changing`: a directory that is moved, replaced
/// or removed meanwhile loses what was not visited yet (and its `leave`), and the walk goes on in
/// the nearest directory that is still in its place.
enum class TreeState : bool { at_rest, changing };

/// Sees a tree in the order of the bytes of the names, each directory before its content.
class TreeVisitor {
 public:
  virtual ~TreeVisitor() = default;
  /// A directory, before its content. Descend::no skips the content, and `leave` is not called.
  virtual Result<Descend> enter(const WalkEntry& entry) = 0;
  /// The same directory after its content.
  virtual Status leave(const WalkEntry& entry) = 0;
  /// Anything else.
  virtual Status leaf(const WalkEntry& entry) = 0;
};

/// Walks the tree at `top`. One descriptor is open at any depth: the way back up is "..", which is
/// checked to be the directory that it was. Entries that vanish meanwhile are left out.
/// Errors: not_found (no top), busy (a directory was moved meanwhile), those of the visitor.
Status walk_tree(const std::string& top, std::string_view operation, TreeVisitor& visitor,
                 TreeState state = TreeState::at_rest);

}  // namespace twinhull::linux_backend
