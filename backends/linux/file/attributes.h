// Extended attributes of names in directories.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

using Attributes = std::map<std::string, std::string>;

/// All extended attributes of `name` in `directory` (AT_FDCWD: a path), a final link not followed.
/// Empty where the file system keeps none. Errors: those of llistxattr(2), lgetxattr(2).
Result<Attributes> read_attributes(int directory, const std::string& name,
                                   std::string_view operation, const std::string& object);

/// Sets them. Those that only steer one kind of file system ("btrfs.*") are left out where that is
/// another one. Errors: those of lsetxattr(2).
Status write_attributes(int directory, const std::string& name, const Attributes& attributes,
                        std::string_view operation, const std::string& object);

/// Removes those that belong to the content (see is_content) and are not in `wanted`.
/// Errors: those of llistxattr(2), lremovexattr(2).
Status remove_other_attributes(int directory, const std::string& name, const Attributes& wanted,
                               std::string_view operation, const std::string& object);

/// Whether the attribute belongs to the content of a tree. Those that do not: the private
/// properties of a file system ("btrfs.*"), and what overlayfs notes about where a layer came from
/// (file handles and ids of the node's own lower layer), which means nothing elsewhere.
bool is_content(std::string_view attribute);

}  // namespace twinhull::linux_backend
