// The image files of a checkpoint in the simulator: DIRECTORY/core.img (state), pages.img (memory,
// which costs space and no bytes) and inventory.img, written last.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backends/sim/node.h"
#include "runtime/kernel/checkpoints.h"

namespace twinhull::sim {

/// What inventory.img says.
struct Inventory {
  bool whole = true;   ///< false: of a pre-dump, memory only
  bool lazy = false;   ///< memory was held back (DumpSpec::lazy)
  std::string parent;  ///< name of the directory beside this one that holds the other pages
  Pages written, total;  ///< here, and with the parents; without what was held back
  std::uint64_t core = 0;  ///< size and digest of core.img
  std::uint64_t digest = 0;
};

/// An empty directory? Errors: not_found, not_directory, not_empty.
Status check_empty(Node& node, const std::string& images, std::string_view operation);
/// Writes `state` and the pages into the cache, not durable. Errors: no_space, quota_exceeded.
Status write_images(Node& node, const std::string& images, const std::string& state,
                    const Inventory& inventory);
/// Bytes of the files there.
Bytes image_size(const Inventory& inventory);
/// Makes one file, or the directory, durable; instantaneous: the caller charges the time.
Status sync_image(Node& node, const std::string& path);
/// The files of the images, and then their directory, for sync_image.
std::vector<std::string> image_files(const std::string& images);

/// Reads and checks the inventory of images and of all their parents. Errors: not_found (no such
/// directory), corrupt (half written or damaged, or a parent is missing).
Result<Inventory> read_inventory(Node& node, const std::string& images, std::string_view operation);
/// core.img, checked against the inventory. Error: corrupt.
Result<std::string> read_state(Node& node, const std::string& images, const Inventory& inventory);

/// The directory beside `images` with this name.
std::string beside(const std::string& images, const std::string& name);

}  // namespace twinhull::sim
