// Puts the files that every node needs (vz.conf, samples, distribution scripts) in place.
#pragma once

#include <span>
#include <string_view>

#include "runtime/config/layout.h"
#include "runtime/kernel/kernel.h"
#include "runtime/kernel/result.h"

namespace twinhull::tools {

/// A file of share/, built into the program so that no installation path is needed.
struct ShareFile {
  std::string_view path;     ///< below share/: "vz.conf", "dists/scripts/debian-add_ip.sh"
  std::string_view content;
  bool executable = false;
};

/// All files of share/, sorted by path.
std::span<const ShareFile> share_files();

/// Makes the directories of spec R1 and writes each share file that is not there yet, so that an
/// operator's changes stay. With a non-empty `layout.root` the paths in vz.conf are put below it.
/// May be repeated. Errors: those of Files.
Status set_up_node(Kernel& kernel, const Layout& layout);

/// Whether set_up_node has been here.
Result<bool> is_set_up(Kernel& kernel, const Layout& layout);

}  // namespace twinhull::tools
