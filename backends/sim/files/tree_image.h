// A picture of a tree: what a copy or a transfer between nodes carries. Contents are shared.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/sim/files/content.h"
#include "backends/sim/files/file_ops.h"
#include "backends/sim/files/file_store.h"

namespace twinhull::sim {

class TreeImage {
 public:
  struct Entry {
    std::string path;  ///< below the top: "" = the top itself, else "/dir/file"; parents come first
    FileKind kind = FileKind::regular;
    std::uint32_t mode = 0;
    Ownership owner;
    WallTime modified;
    bool opaque = false, whiteout = false;
    Content content;
    std::optional<std::uint32_t> same_as;  ///< a hard link to that entry's file
  };
  std::vector<Entry> entries;
  TreeSize size;
  std::string digest;
};

TreeImage picture_of(const FileStore& files, const Spot& top, Layers layers);

/// The same with these directories ("proc", "var/tmp") as if they were empty.
TreeImage hollow_picture_of(const FileStore& files, const Spot& top, Layers layers,
                            const std::vector<std::string>& hollow);

/// How a tree is filled with the content of an image.
struct UnpackOptions {
  bool into_existing = false;  ///< the top keeps its own facts
  bool durable = true;         ///< all of it is synced at the end
};

/// Fills directory `top`. Between
/// portions `pace` may let time pass; `top_alive` says afterwards whether going on makes sense.
Status unpack_image(FileStore& files, const TreeImage& image, InodeId top, UnpackOptions options,
                    std::string_view operation, std::string_view path, const Pace& pace,
                    const std::function<bool()>& top_alive);

}  // namespace twinhull::sim
