// Name of a control group below the node's own prefix.
#pragma once

#include <compare>
#include <string>

namespace twinhull {

/// Relative path of a control group: "101" or "101/build". The backend puts it below the node's
/// prefix in each hierarchy. 1…8 components of [A-Za-z0-9._-]{1,64}, none "." or "..".
struct CgroupPath {
  std::string text;
  auto operator<=>(const CgroupPath&) const = default;
};

}  // namespace twinhull
