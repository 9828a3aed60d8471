// Action scripts of the operator (spec R7).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/container/context.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/processes.h"

namespace twinhull::container {

/// Runs vps.STAGE and then CTID.STAGE on the node, when they exist; stages: "premount", "mount",
/// "umount", "postumount", "create". They get VEID and VE_CONFFILE. A file that is not executable
/// is skipped with a warning. Errors: failed (exit 79), naming the script and its exit code.
Status run_node_scripts(Context& context, CtId id, std::string_view stage);

/// Feeds CTID.STAGE to a shell inside the container; stages: "start", "stop". Same errors.
Status run_inside_script(Context& context, CtId id, ProcessRef init, std::string_view stage);

/// All script files that belong to one container: CTID.mount, … (whether they exist or not).
std::vector<std::string> container_scripts(const Layout& layout, CtId id);

/// Those of them that exist, with what they are.
struct ScriptFile {
  std::string path;
  FileInfo info;
};
Result<std::vector<ScriptFile>> present_scripts(Context& context, CtId id);

}  // namespace twinhull::container
