// Whole trees: remove, copy, measure.
#pragma once

#include <string>
#include <string_view>

#include "runtime/kernel/files.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// Files::remove_tree. Looks for mounts first, so that a busy tree loses nothing.
Result<Effect> remove_tree(const std::string& path, std::string_view operation);

/// Files::copy_tree. After an error `to` holds a part.
Result<TreeSize> copy_tree(const std::string& from, const std::string& to,
                           std::string_view operation);

/// Copies what is in the directory `from` into the existing directory `to`, and its owner, mode,
/// times and attributes. After an error `to` holds a part.
Result<TreeSize> copy_tree_into(const std::string& from, const std::string& to,
                                std::string_view operation);

/// Files::measure_tree.
Result<TreeSize> measure_tree(const std::string& path, std::string_view operation);

/// Writes everything that the file system of `path` still holds in memory (syncfs(2)).
Status sync_file_system(const std::string& path, std::string_view operation);

}  // namespace twinhull::linux_backend
