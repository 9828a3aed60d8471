#include "backends/linux/channel/touched_entries.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "backends/linux/errno_error.h"
#include "backends/linux/file/path.h"
#include "backends/linux/file/trees.h"

namespace twinhull::linux_backend {

Status TouchedEntries::sync(const std::string& top, std::string_view operation,
                            const OpenDirectory& open) const {
  if (too_much_) return sync_file_system(top, operation);
  std::vector<std::pair<std::string, UniqueFd>> opened;
  for (const std::string& path : paths_) {
    const auto slash = path.rfind('/');
    TH_ASSIGN(UniqueFd entry, open(slash == std::string::npos ? "" : path.substr(0, slash)));
    if (!path.empty()) {
      // Not blocked by what stands there now, should it be no file any more.
      UniqueFd inside(::openat(entry.get(), base_name(path).c_str(),
                               O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
      if (!inside) return sync_file_system(top, operation);
      entry = std::move(inside);
    }
    struct stat facts {};
    if (::fstat(entry.get(), &facts) != 0) return system_error(operation, top + "/" + path, errno);
    // All begin before the first is waited for: mostly one commit of the journal serves them.
    if (S_ISREG(facts.st_mode)) ::sync_file_range(entry.get(), 0, 0, SYNC_FILE_RANGE_WRITE);
    opened.emplace_back(path, std::move(entry));
  }
  for (const auto& [path, entry] : opened)
    if (::fsync(entry.get()) != 0)
      return system_error(operation, top + "/" + path, errno, "cannot write it back");
  return {};
}

}  // namespace twinhull::linux_backend
