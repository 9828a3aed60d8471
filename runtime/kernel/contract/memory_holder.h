// A container whose memory is known, for cases that move it.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/kernel/contract/containers.h"
#include "runtime/kernel/contract/stage.h"

namespace twinhull::contract {

inline constexpr std::uint64_t kMebi = std::uint64_t{1} << 20;
/// What the program of a holding box holds.
inline constexpr std::uint64_t kHeld = 32 * kMebi;

/// A container with a program that holds kHeld bytes for `hold`, then reads them again and reports to
/// /report, or says in /error what is not as it was.
Box holding_box(ContractStage& stage, Duration hold);

/// What that program, where `box` is now, has reported so far; empty = nothing.
std::string report_of(Kernel& node, const Box& box);

/// Whether that program, where `box` is now, has found every byte as it was. It must have found no other.
bool reported(Kernel& node, const Box& box);

}  // namespace twinhull::contract
