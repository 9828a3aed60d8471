// A tree out of an archive stream.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "backends/linux/channel/followed_files.h"
#include "backends/linux/channel/frame.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// Gives the next bytes of the archive, std::nullopt at its end.
using ArchiveSource = std::function<Result<std::optional<std::string>>()>;

/// What unpacking did.
struct Unpacked {
  std::string digest;         ///< of the stream, where it is partial or need not be durable
  std::uint64_t removed = 0;  ///< inodes, by an update
};

/// Unpacks what write_tree_archive wrote into the existing directory `path`, and gives that
/// directory the owner, mode and attributes of the tree's top. Nothing of the archive is trusted to
/// stay inside: each component is opened without following links. With an update what is in the way
/// of an entry is removed first. `followed`: what pieces have made here before; the archive has the
/// details of each. Synced when it returns, where that is asked for; `rest_is_durable`: what an update
/// does not touch is so already.
/// Errors: protocol (no archive of ours), not_directory, exists (not with an update), those of the
/// file calls and of `source`. After an error the directory holds a part.
Result<Unpacked> read_tree_archive(const std::string& path, std::string_view operation,
                                   const TreeMode& mode, const ArchiveSource& source,
                                   const FollowedFiles& followed = {}, bool rest_is_durable = false);

}  // namespace twinhull::linux_backend
