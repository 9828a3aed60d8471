#include "backends/linux/file/attributes.h"

#include <fcntl.h>
#include <sys/xattr.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "backends/linux/errno_error.h"

namespace twinhull::linux_backend {
namespace {

/// The *xattr calls take paths only; this one leads through a descriptor.
std::string path_through(int directory, const std::string& name) {
  if (directory == AT_FDCWD) return name;
  return "/proc/self/fd/" + std::to_string(directory) + "/" + name;
}

}  // namespace

Result<Attributes> read_attributes(int directory, const std::string& name,
                                   std::string_view operation, const std::string& object) {
  const std::string path = path_through(directory, name);
  Attributes attributes;
  std::string names(1024, '\0');
  ssize_t length = 0;
  while ((length = ::llistxattr(path.c_str(), names.data(), names.size())) < 0) {
    if (errno == ENOTSUP) return attributes;
    if (errno != ERANGE) return system_error(operation, object, errno, "cannot list attributes");
    names.resize(names.size() * 4);
  }
  names.resize(static_cast<std::size_t>(length));
  for (std::size_t at = 0; at < names.size();) {
    const std::string attribute = names.c_str() + at;
    at += attribute.size() + 1;
    std::string value(256, '\0');
    bool gone = false;
    while ((length = ::lgetxattr(path.c_str(), attribute.c_str(), value.data(), value.size())) <
           0) {
      gone = errno == ENODATA;
      if (gone) break;
      if (errno != ERANGE)
        return system_error(operation, object, errno, "cannot read attribute " + attribute);
      value.resize(value.size() * 4);
    }
    if (gone) continue;
    value.resize(static_cast<std::size_t>(length));
    attributes.emplace(attribute, std::move(value));
  }
  return attributes;
}

Status write_attributes(int directory, const std::string& name, const Attributes& attributes,
                        std::string_view operation, const std::string& object) {
  if (attributes.empty()) return {};
  const std::string path = path_through(directory, name);
  for (const auto& [attribute, value] : attributes) {
    if (::lsetxattr(path.c_str(), attribute.c_str(), value.data(), value.size(), 0) == 0) continue;
    if (errno == ENOTSUP && !is_content(attribute)) continue;
    return system_error(operation, object, errno, "cannot set attribute " + attribute);
  }
  return {};
}

Status remove_other_attributes(int directory, const std::string& name, const Attributes& wanted,
                               std::string_view operation, const std::string& object) {
  TH_ASSIGN(const Attributes present, read_attributes(directory, name, operation, object));
  const std::string path = path_through(directory, name);
  for (const auto& [attribute, value] : present) {
    if (!is_content(attribute) || wanted.contains(attribute)) continue;
    if (::lremovexattr(path.c_str(), attribute.c_str()) != 0 && errno != ENODATA)
      return system_error(operation, object, errno, "cannot remove attribute " + attribute);
  }
  return {};
}

bool is_content(std::string_view attribute) {
  static constexpr std::array<std::string_view, 4> kOverlayNotes = {
      "trusted.overlay.origin", "trusted.overlay.uuid", "trusted.overlay.nlink",
      "trusted.overlay.upper"};
  if (std::ranges::find(kOverlayNotes, attribute) != kOverlayNotes.end()) return false;
  return !attribute.starts_with("btrfs.");
}

}  // namespace twinhull::linux_backend
