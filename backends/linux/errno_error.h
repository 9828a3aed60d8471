// The kernel's error numbers as errors of the seam.
#pragma once

#include <string>
#include <string_view>

#include "runtime/kernel/error.h"

namespace twinhull::linux_backend {

/// The code that stands for an errno in general. Calls for which a number means something else
/// choose their code themselves. Unknown numbers give `failed`.
ErrorCode code_of(int number);

/// Text of an errno: "No space left on device".
std::string errno_text(int number);

/// A failed system call. `number` is errno as it was; `detail` is said before the kernel's text
/// ("cannot make the directory: No space left on device"), empty = the kernel's text alone.
Error system_error(std::string_view operation, std::string_view object, int number,
                   std::string_view detail = {});

/// The same with a code that the call chose.
Error system_error(ErrorCode code, std::string_view operation, std::string_view object, int number,
                   std::string_view detail = {});

}  // namespace twinhull::linux_backend
