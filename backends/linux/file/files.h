// Files on Linux.
#pragma once

#include <memory>

#include "backends/linux/linux_kernel.h"
#include "runtime/kernel/files.h"

namespace twinhull::linux_backend {

/// Files as the calling process sees them. `options` must outlive the result.
std::unique_ptr<Files> make_files(const NodeOptions& options);

}  // namespace twinhull::linux_backend
