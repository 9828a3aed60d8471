// The rule of the seam for paths.
#pragma once

#include <string>
#include <string_view>

#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// Refuses what is no path of the seam: not absolute, a ".." component, a NUL byte.
/// Error: invalid_argument.
Status check_path(std::string_view operation, const std::string& path);

/// The path without repeated and trailing slashes and "." components; "/" stays.
/// Precondition: check_path passed.
std::string clean_path(const std::string& path);

/// Directory that holds the last component: "/a" for "/a/b", "/" for "/a".
/// Precondition: a clean path.
std::string parent_path(const std::string& path);

/// Last component: "b" for "/a/b". Precondition: a clean path.
std::string base_name(const std::string& path);

/// Whether `path` is `top` or lies below it. Precondition: clean paths.
bool is_at_or_below(std::string_view path, std::string_view top);

}  // namespace twinhull::linux_backend
