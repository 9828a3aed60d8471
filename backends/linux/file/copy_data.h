// Copies the bytes of a file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// Fills the empty file `to` with the bytes of `from` (`size` bytes): shares the blocks where the
/// file system can (FICLONE), else copies inside the kernel (copy_file_range(2)), else through a
/// buffer; holes stay holes. Errors: those of the calls.
Status copy_data(int from, int to, std::uint64_t size, std::string_view operation,
                 const std::string& object);

}  // namespace twinhull::linux_backend
