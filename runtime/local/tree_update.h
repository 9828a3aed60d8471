// Bringing a copy of a tree up to date, for trees that were in use while they were copied.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "runtime/kernel/files.h"
#include "runtime/kernel/result.h"

namespace twinhull::local {

/// Directories of a tree by path below its top, with their inode numbers: what tells a directory
/// that was made anew, with other attributes, from the one that was copied.
using DirectoryMap = std::map<std::string, std::uint64_t>;

/// A tree in use: what vanishes meanwhile is left out.
Result<DirectoryMap> directories_of(Files& files, const std::string& top);

struct UpdateResult {
  bool done = false;           ///< false: a hard link changed; only a whole copy would be exact
  std::uint64_t replaced = 0;  ///< entries that were copied anew
  std::uint64_t removed = 0;
};

/// Makes the tree `to`, a copy of `from` that was begun at `begun` when its directories were
/// `known`, equal to `from`, which now stands still. What agrees in kind, size, time, mode and
/// owner and was last written before the copy began counts as the same (as for rsync); a change of
/// extended attributes alone is not noticed. Synced. Errors: those of Files; `to` then holds a
/// mixture.
Result<UpdateResult> update_tree(Files& files, const std::string& from, const std::string& to,
                                 const DirectoryMap& known, WallTime begun);

}  // namespace twinhull::local
