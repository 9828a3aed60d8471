#include "backends/linux/file/make_entry.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>

#include "backends/linux/errno_error.h"

namespace twinhull::linux_backend {

Status make_node(int directory, const std::string& name, const EntryFacts& facts,
                 const std::string& target, std::string_view operation, const std::string& object) {
  if (facts.is_symlink()) {
    if (::symlinkat(target.c_str(), directory, name.c_str()) != 0)
      return system_error(operation, object, errno, "cannot make the symbolic link");
    return {};
  }
  const dev_t device = makedev(facts.node_major, facts.node_minor);
  if (::mknodat(directory, name.c_str(), static_cast<mode_t>(facts.mode & S_IFMT) | 0600, device) !=
      0)
    return system_error(operation, object, errno, "cannot make the node");
  return {};
}

Status apply_details(int directory, const std::string& name, const EntryFacts& facts,
                     const Attributes& attributes, std::string_view operation,
                     const std::string& object) {
  if (::fchownat(directory, name.c_str(), facts.uid, facts.gid, AT_SYMLINK_NOFOLLOW) != 0)
    return system_error(operation, object, errno, "cannot set the owner");
  // A link has no mode of its own. The caller made everything else here just now, under a directory
  // that nobody else writes to, so chmod cannot be led astray by a link.
  if (!facts.is_symlink() && ::fchmodat(directory, name.c_str(), facts.mode & 07777U, 0) != 0)
    return system_error(operation, object, errno, "cannot set the mode");
  TH_TRY(write_attributes(directory, name, attributes, operation, object));
  const timespec times[2] = {facts.accessed, facts.modified};
  if (::utimensat(directory, name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0)
    return system_error(operation, object, errno, "cannot set the times");
  return {};
}

}  // namespace twinhull::linux_backend
