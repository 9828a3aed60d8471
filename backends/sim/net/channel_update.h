// What an update of a tree between two simulated nodes moves.
#pragma once

#include <cstdint>
#include <string>

#include "backends/sim/files/tree_image.h"

namespace twinhull::sim {

struct TreeDifference {
  TreeSize sent;             ///< entries that go with their content
  std::uint64_t packed = 0;  ///< bytes of their contents, compressed
  std::uint64_t headers = 0; ///< archive headers: whole entries, links, details alone, removals
  Inodes removed;            ///< names that the receiver loses, to replace or for good
  std::string digest;        ///< of what is sent
};

/// What turns `have` into `want`. Files have no ctime here, so contents are always compared, which
/// finds at least what the times would.
TreeDifference difference_of(const TreeImage& have, const TreeImage& want);

/// The same for a tree that goes whole.
TreeDifference whole_of(const TreeImage& want);

}  // namespace twinhull::sim
