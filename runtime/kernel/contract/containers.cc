#include "runtime/kernel/contract/containers.h"

#include <optional>
#include <ranges>
#include <utility>

#include "runtime/kernel/clock.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/links.h"
#include "runtime/kernel/mounts.h"
#include "runtime/kernel/quotas.h"

namespace twinhull::contract {
namespace {

constexpr std::uint64_t bit(unsigned number) {
  return std::uint64_t{1} << number;
}

// Removes a group with its children, deepest first; its processes may take a moment to go.
Status remove_group(Kernel& kernel, const CgroupPath& path) {
  TH_ASSIGN(const auto children, kernel.cgroups().children(path));
  for (const std::string& child : children) TH_TRY(remove_group(kernel, {path.text + "/" + child}));
  for (int attempt = 0;; ++attempt) {
    const auto removed = kernel.cgroups().remove(path);
    if (removed) return {};
    if (removed.error().code != ErrorCode::busy || attempt == 100) return removed.error();
    TH_TRY(kernel.clock().sleep(milliseconds(20)));
  }
}

class FirstError {
 public:
  template <typename T>
  void note(const Result<T>& result) {
    if (!result && !first_) first_ = result.error();
  }
  [[nodiscard]] Status status() const { return first_ ? Status(*first_) : Status(); }

 private:
  std::optional<Error> first_;
};

}  // namespace

CapabilitySet box_capabilities() {
  // Bits of capability.h: chown, dac_override, fowner, kill, setgid, setuid, net_bind_service,
  // net_admin, net_raw, sys_chroot, sys_boot, mknod.
  return {bit(0) | bit(1) | bit(3) | bit(5) | bit(6) | bit(7) | bit(10) | bit(12) | bit(13) |
          bit(18) | bit(22) | bit(27)};
}

Result<Box> make_root(ContractStage& stage, const std::string& name,
                      std::vector<std::string> layers) {
  Files& files = stage.kernel().files();
  const std::string area = stage.scratch() + "/" + name;
  Box box;
  box.label = name;
  box.root = area + "/root";
  box.upper = area + "/upper";
  box.group = {name};
  for (const std::string& directory : {area, box.root, box.upper, area + "/work"})
    TH_TRY(files.make_directory(directory));
  layers.push_back(stage.template_tree());
  TH_TRY(stage.kernel().mounts().overlay(box.root, {std::move(layers), box.upper, area + "/work"}));
  return box;
}

Result<Box> make_box(ContractStage& stage, const std::string& name) {
  TH_ASSIGN(Box box, make_root(stage, name));
  TH_TRY(stage.kernel().cgroups().create(box.group));
  return box;
}

SpawnSpec box_spec(const Box& box, std::vector<std::string> argv) {
  SpawnSpec spec;
  spec.label = box.label;
  spec.root = box.root;
  spec.argv = std::move(argv);
  spec.environment = {{"PATH", "/sbin:/bin:/usr/sbin:/usr/bin"}};
  spec.hostname = box.label;
  spec.cgroup = box.group;
  spec.capabilities = box_capabilities();
  return spec;
}

Result<Box> start_box(ContractStage& stage, const std::string& name,
                      std::vector<std::string> argv) {
  TH_ASSIGN(Box box, make_box(stage, name));
  if (argv.empty()) argv = {"/bin/sleep", "1000"};
  TH_ASSIGN(box.init, stage.kernel().processes().spawn(box_spec(box, std::move(argv))));
  return box;
}

ExecSpec command(std::vector<std::string> argv, std::vector<EnvironmentVariable> environment) {
  ExecSpec spec;
  spec.argv = std::move(argv);
  spec.environment = std::move(environment);
  return spec;
}

Result<ExecOutcome> shell(ContractStage& stage, const Box& box, const std::string& script) {
  ExecSpec spec;
  spec.argv = {"/bin/sh", "-c", script};
  spec.environment = {{"PATH", "/sbin:/bin:/usr/sbin:/usr/bin"}};
  spec.timeout = seconds(60);
  return stage.kernel().processes().exec(box.init, spec);
}

Result<std::string> shell_output(ContractStage& stage, const Box& box, const std::string& script) {
  TH_ASSIGN(ExecOutcome outcome, shell(stage, box, script));
  if (!outcome.status.success())
    return fail(ErrorCode::failed, "contract.shell", script,
                "exit " + std::to_string(outcome.status.shell_code()) + ": " + outcome.err);
  if (outcome.out.ends_with('\n')) outcome.out.pop_back();
  return std::move(outcome.out);
}

Status clean_node(Kernel& kernel, const std::string& scratch, const std::string& quota_area) {
  FirstError errors;
  const auto inits = kernel.processes().list();
  errors.note(inits);
  const auto groups = kernel.cgroups().children({});
  errors.note(groups);
  if (groups) {
    for (const std::string& group : *groups) {
      // A frozen process takes no signal on a v1 freezer.
      const auto thawed = kernel.cgroups().thaw({group});
      if (!thawed && thawed.error().code != ErrorCode::not_supported) errors.note(thawed);
      errors.note(kernel.cgroups().kill_all({group}));
    }
  }
  if (inits) {
    for (const auto& [label, init] : *inits) {
      errors.note(kernel.processes().signal(init, Signal::kill));
      errors.note(kernel.processes().wait_gone(init, seconds(10)));
    }
  }
  if (groups)
    for (const std::string& group : *groups) errors.note(remove_group(kernel, {group}));
  const auto devices = kernel.links().list(NetScope::node());
  errors.note(devices);
  if (devices)
    for (const LinkInfo& device : *devices)
      if (device.name.starts_with("th-")) errors.note(kernel.links().remove(device.name));
  for (const std::string& area : {scratch, quota_area}) {
    if (area.empty()) continue;
    const auto mounts = kernel.mounts().list(area);
    errors.note(mounts);
    if (!mounts) continue;
    for (const MountInfo& mount : std::views::reverse(*mounts))
      if (mount.target != area) errors.note(kernel.mounts().unmount(mount.target, true));
  }
  if (!quota_area.empty()) {
    const auto trees = kernel.files().list(quota_area);
    errors.note(trees);
    if (trees)
      for (const DirectoryEntry& tree : *trees)
        errors.note(kernel.quotas().remove_tree(quota_area + "/" + tree.name));
  }
  const auto left = kernel.files().list(scratch);
  errors.note(left);
  if (left)
    for (const DirectoryEntry& entry : *left)
      errors.note(kernel.files().remove_tree(scratch + "/" + entry.name));
  return errors.status();
}

}  // namespace twinhull::contract
