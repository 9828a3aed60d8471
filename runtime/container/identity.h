// Identifiers that are unique without a random source.
#pragma once

#include <string>

#include "runtime/kernel/kernel.h"
#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull::container {

/// A UUID (version 8, RFC 9562) of the node's boot, the calendar time and the number: two
/// containers of one number on one node differ by their time of birth, two nodes by their boot.
Result<std::string> make_uuid(Kernel& kernel, CtId id);

}  // namespace twinhull::container
