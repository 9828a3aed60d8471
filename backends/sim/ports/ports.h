// The ports of a simulated node that rest on its files, its mounts and its clock.
#pragma once

#include <memory>

#include "backends/sim/node.h"
#include "runtime/kernel/checkpoints.h"
#include "runtime/kernel/clock.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/mounts.h"
#include "runtime/kernel/quotas.h"

namespace twinhull::sim {

std::unique_ptr<Clock> make_clock_port(NodeGate gate);
std::unique_ptr<Files> make_files_port(NodeGate gate);
std::unique_ptr<Mounts> make_mounts_port(NodeGate gate);
std::unique_ptr<Quotas> make_quotas_port(NodeGate gate);
std::unique_ptr<Checkpoints> make_checkpoints_port(NodeGate gate);  // backends/sim/checkpoint
std::unique_ptr<Host> make_host_port(NodeGate gate);

/// All ports of one boot of a node.
std::unique_ptr<Kernel> make_kernel(Node& node);

}  // namespace twinhull::sim
