// Quota trees on Linux.
#pragma once

#include <memory>

#include "backends/linux/linux_kernel.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/quotas.h"

namespace twinhull::linux_backend {

/// Quota trees by what each file system offers: btrfs qgroup, project quota, one image a tree, or
/// nothing. Both arguments must outlive the result.
std::unique_ptr<Quotas> make_quotas(const NodeOptions& options, Files& files);

}  // namespace twinhull::linux_backend
