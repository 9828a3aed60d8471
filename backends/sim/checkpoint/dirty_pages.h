// How many pages a program changed between two looks (models 6.8), in integers.
#pragma once

#include <cstdint>

#include "backends/sim/process/program.h"

namespace twinhull::sim {

/// Distinct pages among `pages` that `writes` writes hit:
///   uniform     each write hits any page: pages·(1 − (1 − 1/pages)^writes)
///   hot         nine of ten writes go to the first tenth of the pages, the others to the rest
///   sequential  round and round: the smaller of the two
std::uint64_t distinct_pages(std::uint64_t pages, std::uint64_t writes, DirtyPattern pattern);

}  // namespace twinhull::sim
