#include "backends/linux/cgroup/cgroups.h"

namespace twinhull::linux_backend {

Result<std::unique_ptr<Cgroups>> make_cgroups(const NodeOptions&) {
  return fail(ErrorCode::not_supported, "kernel.open", "cgroups", "not built yet");
}

Support cgroup_support(Feature) { return {false, "not built yet"}; }

}  // namespace twinhull::linux_backend
