// A tree as an archive stream.
#pragma once

#include <time.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/linux/channel/followed_files.h"
#include "backends/linux/channel/frame.h"
#include "backends/linux/channel/tree_manifest.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// Takes the next bytes of the archive.
using ArchiveSink = std::function<Status(std::string_view bytes)>;

/// What a tree is compared with, and how.
struct ArchiveOptions {
  bool changing = false;               ///< the tree may be in use
  ManifestReader* manifest = nullptr;  ///< of the receiver's tree, for an update; null = no update
  bool digests = false;                ///< the manifest has digests of contents
  /// Contents of files whose inodes changed before this and that look the same are the same.
  std::optional<timespec> unchanged_before = {};
  std::vector<std::string> hollow = {};  ///< directories whose content is left out
  const FollowedFiles* followed = nullptr;  ///< files whose content has crossed already
};

/// Writes the tree at directory `path` as a pax archive (tar(5)): owners by number, modes, times,
/// device nodes (overlayfs's whiteouts are 0:0), fifos, hard and symbolic links, holes, and the
/// extended attributes that are content. A socket is an empty file with the attribute
/// "twinhull.socket", as tar knows no sockets. A file that changes meanwhile keeps the length that
/// it had. An update holds only what differs: a whole entry replaces what the receiver has, one with
/// the attribute "twinhull.kept" changes its details only, "twinhull.gone" removes it with all below.
/// The digest of an update, or of a changing tree, is that of the stream: of what is
/// sent as it is sent. A followed file is an entry that changes details only; its size and the digest
/// of its content are part of the digest.
/// Errors: not_directory, those of the file calls and of `sink`; protocol (the manifest).
Result<TreeSummary> write_tree_archive(const std::string& path, std::string_view operation,
                                       const ArchiveSink& sink, const ArchiveOptions& options = {});

/// Attributes that mark a socket, an entry whose content the receiver has, and one to be removed.
/// The kernel refuses such names (they have no name space), so no file can have them.
inline constexpr std::string_view kSocketMark = "twinhull.socket";
inline constexpr std::string_view kKeptMark = "twinhull.kept";
inline constexpr std::string_view kGoneMark = "twinhull.gone";

}  // namespace twinhull::linux_backend
