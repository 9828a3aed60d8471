// Files on Linux.
#pragma once

#include <memory>

#include "backends/linux/linux_kernel.h"
#include "runtime/kernel/files.h"

namespace twinhull::linux_backend {

/// Files as the calling process sees them. Nothing of the options is needed yet.
std::unique_ptr<Files> make_files(const NodeOptions& options);

}  // namespace twinhull::linux_backend
