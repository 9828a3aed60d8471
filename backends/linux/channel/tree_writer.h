// A tree as an archive stream.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "backends/linux/channel/frame.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// Takes the next bytes of the archive.
using ArchiveSink = std::function<Status(std::string_view bytes)>;

/// Writes the tree at directory `path` as a pax archive (tar(5)): owners by number, modes, times,
/// device nodes (overlayfs's whiteouts are 0:0), fifos, hard and symbolic links, holes, and the
/// extended attributes that are content. A socket is an empty file with the attribute
/// "twinhull.socket", as tar knows no sockets. A file that changes meanwhile keeps the length that
/// it had. Errors: not_directory, those of the file calls and of `sink`.
Result<TreeSummary> write_tree_archive(const std::string& path, std::string_view operation,
                                       const ArchiveSink& sink);

/// Attribute that marks a socket. The kernel refuses such a name (it has no name space), so no file
/// can have it.
inline constexpr std::string_view kSocketMark = "twinhull.socket";

}  // namespace twinhull::linux_backend
