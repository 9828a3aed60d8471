// Device rules as a BPF program, for v2 groups.
#pragma once

#include <vector>

#include "backends/linux/cgroup/tree.h"
#include "runtime/kernel/processes.h"

namespace twinhull::linux_backend {

/// Program of type BPF_PROG_TYPE_CGROUP_DEVICE that returns 1 (allow) when one rule covers the
/// device and the whole access asked for, else 0. The context is struct bpf_cgroup_dev_ctx
/// (linux/bpf.h): access_type (low half type, high half access), major, minor.
/// Unlike the v1 files it cannot unite two rules for one access: "r" here and "w" there do not
/// allow "rw".
std::vector<BpfInstruction> device_program(const std::vector<DeviceRule>& allowed);

}  // namespace twinhull::linux_backend
