// Whole reads and writes on descriptors.
#pragma once

#include <string>
#include <string_view>

#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull::linux_backend {

/// Reads to the end of `fd`; EINTR is retried. `operation` and `object` go into errors.
/// Errors: limit_exceeded (more than `most`), those of read(2).
Result<std::string> read_to_end(int fd, Bytes most, std::string_view operation,
                                std::string_view object);

/// Writes all of `data`; EINTR is retried. Errors: those of write(2).
Status write_fully(int fd, std::string_view data, std::string_view operation,
                   std::string_view object);

/// Content of a file of the kernel's own (below /proc, /sys): no check of its kind, at most 16 MiB.
/// Errors: those of open(2) and read(2).
Result<std::string> read_kernel_file(const std::string& path, std::string_view operation);

/// Writes a value into a file of the kernel's own in one write(2). Errors: those of open and write.
Status write_kernel_file(const std::string& path, std::string_view value,
                         std::string_view operation);

}  // namespace twinhull::linux_backend
