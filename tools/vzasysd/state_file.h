// What vzasysd keeps on the node between two looks.
#pragma once

#include <string>

#include "runtime/config/layout.h"
#include "runtime/kernel/kernel.h"
#include "runtime/kernel/result.h"
#include "runtime/resource/burst.h"

namespace twinhull::tools::asys {

/// ROOT/var/lib/vz: the state file and the lock that keeps a second vzasysd out.
std::string state_directory(const Layout& layout);
std::string state_file(const Layout& layout);

/// The readings of this boot. A missing or damaged file, or one of another boot, is an empty state:
/// readings are all that is lost. Errors: those of Files::read.
Result<resource::BurstState> load_state(Kernel& kernel, const Layout& layout);

/// Replaces the file: a crash leaves the old or the new one. Errors: those of write_atomically.
Status save_state(Kernel& kernel, const Layout& layout, const resource::BurstState& state);

}  // namespace twinhull::tools::asys
