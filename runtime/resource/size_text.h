// Amounts of memory and disk in words (private to runtime/resource and runtime/physical).
#pragma once

#include <cstdint>
#include <string>

namespace twinhull::resource {

/// For messages that compare amounts: "64 MiB", or "65540 KiB" where it is no whole number of MiB.
std::string exact_size_text(std::uint64_t bytes);

/// For people: the largest unit that fits, with tenths: "1.5 GiB", "512 B". Cut, never rounded up,
/// so that nothing looks larger than it is.
std::string size_text(std::uint64_t bytes);

}  // namespace twinhull::resource
