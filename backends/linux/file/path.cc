#include "backends/linux/file/path.h"

namespace twinhull::linux_backend {
namespace {

/// Calls `take` with each component that is not empty.
template <typename Function>
void for_each_component(std::string_view path, Function take) {
  std::size_t at = 0;
  while (at < path.size()) {
    std::size_t end = path.find('/', at);
    if (end == std::string_view::npos) end = path.size();
    if (end > at) take(path.substr(at, end - at));
    at = end + 1;
  }
}

}  // namespace

Status check_path(std::string_view operation, const std::string& path) {
  if (path.empty() || path.front() != '/')
    return fail(ErrorCode::invalid_argument, operation, path, "the path is not absolute");
  if (path.find('\0') != std::string::npos)
    return fail(ErrorCode::invalid_argument, operation, path, "the path holds a NUL byte");
  bool climbs = false;
  for_each_component(path, [&climbs](std::string_view part) { climbs = climbs || part == ".."; });
  if (climbs)
    return fail(ErrorCode::invalid_argument, operation, path, "the path holds a \"..\" component");
  return {};
}

std::string clean_path(const std::string& path) {
  std::string clean;
  for_each_component(path, [&clean](std::string_view part) {
    if (part != ".") clean.append("/").append(part);
  });
  return clean.empty() ? "/" : clean;
}

std::string parent_path(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

std::string base_name(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

bool is_at_or_below(std::string_view path, std::string_view top) {
  if (top == "/") return true;
  return path.starts_with(top) && (path.size() == top.size() || path[top.size()] == '/');
}

}  // namespace twinhull::linux_backend
