// Containers as the cases need them: built from the ports alone.
#pragma once

#include <string>
#include <vector>

#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/contract/stage.h"
#include "runtime/kernel/processes.h"

namespace twinhull::contract {

/// A started container.
struct Box {
  std::string label;
  std::string root;   ///< mounted overlay
  std::string upper;  ///< its upper layer
  CgroupPath group;
  ProcessRef init;
};

/// The capabilities that a container's programs have here: what ordinary services need, and
/// CAP_NET_RAW and CAP_NET_ADMIN for ping.
CapabilitySet box_capabilities();

/// Mounts a root (overlay of the stage's template, with `layers` above it) at scratch()/NAME/root.
Result<Box> make_root(ContractStage& stage, const std::string& name,
                      std::vector<std::string> layers = {});
/// make_root and a cgroup named like it.
Result<Box> make_box(ContractStage& stage, const std::string& name);
/// What start_box spawns, for cases that change something of it.
SpawnSpec box_spec(const Box& box, std::vector<std::string> argv);
/// make_box and a running init; without argv it sleeps.
Result<Box> start_box(ContractStage& stage, const std::string& name,
                      std::vector<std::string> argv = {});

/// A program with its arguments; the environment is exactly this.
ExecSpec command(std::vector<std::string> argv, std::vector<EnvironmentVariable> environment = {});
/// Runs `sh -c script` in the box.
Result<ExecOutcome> shell(ContractStage& stage, const Box& box, const std::string& script);
/// Output of a script that must succeed, without the last line end.
Result<std::string> shell_output(ContractStage& stage, const Box& box, const std::string& script);

/// Everything that cases make on a node through the ports is taken away again: inits, groups,
/// mounts below `scratch`, devices named "th-…", quota trees in `quota_area`, and the content of
/// `scratch`. For ContractStage::tear_down. Errors: the first one, after all was tried.
Status clean_node(Kernel& kernel, const std::string& scratch, const std::string& quota_area);

}  // namespace twinhull::contract
