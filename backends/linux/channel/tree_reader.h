// A tree out of an archive stream.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// Gives the next bytes of the archive, std::nullopt at its end.
using ArchiveSource = std::function<Result<std::optional<std::string>>()>;

/// Unpacks what write_tree_archive wrote into the existing directory `path`, and gives that
/// directory the owner, mode and attributes of the tree's top. Nothing of the archive is trusted to
/// stay inside: each component is opened without following links. Synced when it returns.
/// Errors: protocol (no archive of ours), not_directory, exists, those of the file calls and of
/// `source`. After an error the directory holds a part.
Status read_tree_archive(const std::string& path, std::string_view operation,
                         const ArchiveSource& source);

}  // namespace twinhull::linux_backend
