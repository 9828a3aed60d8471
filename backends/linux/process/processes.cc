#include "backends/linux/process/processes.h"

namespace twinhull::linux_backend {

Result<std::unique_ptr<Processes>> make_processes(const NodeOptions&, Cgroups&) {
  return fail(ErrorCode::not_supported, "kernel.open", "processes", "not built yet");
}

Support process_support(Feature) { return {false, "not built yet"}; }

}  // namespace twinhull::linux_backend
