// Small files of /proc, /sys and cgroups in one call.
#pragma once

#include <optional>
#include <string>

namespace twinhull::linux_backend {

/// Content of a small file, at most 64 KiB; std::nullopt when it cannot be read (errno tells why).
std::optional<std::string> read_small_file(const std::string& path);

}  // namespace twinhull::linux_backend
