// Which disk holds a path, and what its scheduler is.
#pragma once

#include <string>
#include <string_view>

#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// A whole disk: limits of the block controller are refused for partitions.
struct BlockDevice {
  std::string number;  ///< "254:0"
  std::string name;    ///< "vda", its directory in /sys/block
  bool operator==(const BlockDevice&) const = default;
};

/// The disk below the file system that holds `path`. A file system with anonymous device numbers
/// (btrfs) is resolved through the source of its mount. Errors: invalid_argument (not absolute),
/// not_found, not_supported (no disk, or several).
Result<BlockDevice> find_disk(const std::string& path, std::string_view operation);

/// The scheduler in brackets in the text of queue/scheduler: "none [bfq]" = "bfq". Empty = none is.
std::string active_scheduler(std::string_view text);

}  // namespace twinhull::linux_backend
