#include "scenarios/engine/picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "runtime/config/config_file.h"
#include "runtime/config/ct_settings.h"
#include "runtime/config/node_config.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/links.h"
#include "runtime/kernel/processes.h"
#include "runtime/kernel/quotas.h"
#include "runtime/resource/resources.h"

namespace twinhull::scenario {
namespace {

const std::string kSettings = " settings";
const std::string kLimits = " limits of the kernel";

/// Settings that differ between two otherwise equal containers.
std::string comparable_config(const std::string& text) {
  std::string out;
  for (const std::string& line : squeezed_lines(text))
    if (!line.starts_with("UUID=") && !line.starts_with("#")) out += line + "\n";
  return out;
}

std::string state_text(const ContainerTrace& container) {
  return fmt::format("{}{}{}{}{}{}{}", container.config ? "configured " : "",
                     container.private_area ? "area " : "", container.mounted ? "mounted " : "",
                     container.running ? "running" : "", container.frozen ? " frozen" : "",
                     container.dump ? " suspended" : "",
                     container.up_mark ? " comes back" : "");
}

std::string number(std::uint64_t value) {
  return value == kUnlimited ? "unlimited" : std::to_string(value);
}

/// The quotas between which burst control moves a container (spec F4.6), after what it measures and
/// therefore differently when an accident has cost time. Empty without burst control.
Result<std::vector<CpuQuota>> burst_quotas(Kernel& kernel, const Layout& layout, CtId id,
                                           const std::string& config) {
  TH_ASSIGN(const ConfigFile file, ConfigFile::parse(config, id.text() + ".conf"));
  TH_ASSIGN(const NodeConfig node, load_node_config(kernel, layout));
  TH_ASSIGN(CtSettings settings, interpret_ct_settings(file, node, id, id.text() + ".conf"));
  if (!settings.burst_controlled()) return std::vector<CpuQuota>{};
  TH_ASSIGN(const HostInfo host, kernel.host().info());
  std::vector<CpuQuota> out;
  for (const bool imposed : {false, true}) {
    settings.burst_imposed = imposed ? std::optional(BurstImposed{}) : std::nullopt;
    TH_ASSIGN(const resource::ResourcePlan plan, resource::plan_resources(settings, host));
    if (plan.quota) out.push_back(*plan.quota);
  }
  return out;
}

/// One line; what the group has no controller for is left out.
std::string limits_text(const CgroupLimits& limits, const std::vector<CpuQuota>& burst) {
  std::string out;
  const auto add = [&out](std::string_view name, const std::string& value) {
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", name, value);
  };
  if (limits.shares) add("shares", number(limits.shares->value));
  if (limits.quota && std::find(burst.begin(), burst.end(), *limits.quota) != burst.end())
    add("quota", "under burst control");
  else if (limits.quota)
    add("quota", fmt::format("{} of {} us", limits.quota->quota / microseconds(1),
                             limits.quota->period / microseconds(1)));
  if (limits.cpus) add("cpus", limits.cpus->text());
  if (limits.memory)
    add("memory", number(limits.memory->memory.value) + " + " + number(limits.memory->swap.value));
  if (limits.memory_high) add("high", number(limits.memory_high->value));
  if (limits.memory_low) add("low", number(limits.memory_low->value));
  if (limits.memory_nodes) add("memory nodes", limits.memory_nodes->text());
  if (limits.pids) add("pids", number(*limits.pids));
  if (limits.io_weight) add("io weight", number(limits.io_weight->value));
  if (limits.io)
    add("io", number(limits.io->bandwidth.value) + " B/s, " + number(limits.io->operations));
  return out;
}

/// Devices with their addresses, and routes. Numbers that count or that the kernel chooses are left
/// out.
Result<std::string> network_text(Links& links, const NetScope& scope) {
  std::vector<std::string> lines;
  TH_ASSIGN(const auto devices, links.list(scope));
  for (const LinkInfo& device : devices) {
    std::vector<std::string> addresses;
    for (const IpPrefix& address : device.addresses) addresses.push_back(address.text());
    std::sort(addresses.begin(), addresses.end());
    lines.push_back(fmt::format("{}{}{}{}", device.name, device.up ? " up" : "",
                                device.bridge.empty() ? "" : " in " + device.bridge,
                                addresses.empty() ? "" : fmt::format(" {}", fmt::join(addresses, " "))));
  }
  TH_ASSIGN(const auto routes, links.routes(scope));
  for (const Route& route : routes)
    lines.push_back(fmt::format("{} by {}{}", route.destination.text(), route.device,
                                route.gateway ? " over " + route.gateway->text() : ""));
  std::sort(lines.begin(), lines.end());
  return fmt::format("{}", fmt::join(lines, "; "));
}

/// What the kernel keeps of a container that runs.
Status add_kernel_facts(Kernel& kernel, const std::string& key, CtId id, const std::string& area,
                        const std::vector<CpuQuota>& burst, Picture& picture) {
  TH_ASSIGN(const CgroupLimits limits, kernel.cgroups().limits(CgroupPath{id.text()}, area));
  picture.limits[key + kLimits] = limits_text(limits, burst);
  TH_ASSIGN(const auto init, kernel.processes().find(id.text()));
  if (!init) return {};
  TH_ASSIGN(picture.network[key + " network inside"],
            network_text(kernel.links(), NetScope::of(*init)));
  return {};
}

}  // namespace

Result<NodeTraces> traces_of(Player& player) {
  NodeTraces traces;
  for (const std::string& node : player.node_names()) {
    TH_ASSIGN(traces[node], look_at(player.stage().kernel(node), player.stage().layout(node)));
  }
  return traces;
}

Result<Picture> picture_of(Player& player) {
  Picture picture;
  Stage& stage = player.stage();
  for (const std::string& node : player.node_names()) {
    Kernel& kernel = stage.kernel(node);
    const Layout layout = stage.layout(node);
    TH_ASSIGN(const NodeTrace trace, look_at(kernel, layout));
    for (const auto& [id, container] : trace.containers) {
      const std::string key = node + ": CT " + id.text();
      picture.product[key + " state"] = state_text(container);
      std::vector<CpuQuota> burst;
      if (const auto config = trace.configs.find(id); config != trace.configs.end()) {
        picture.product[key + kSettings] = comparable_config(config->second);
        TH_ASSIGN(burst, burst_quotas(kernel, layout, id, config->second));
      }
      if (!container.private_area) continue;
      TH_ASSIGN(const std::string area, private_area_of(kernel, layout, id));
      TH_ASSIGN(const TreeUsage usage, kernel.quotas().usage(area));
      picture.product[key + " limits of the disk"] =
          fmt::format("{} {}", number(usage.limit.bytes.value), number(usage.limit.inodes.value));
      if (container.running) TH_TRY(add_kernel_facts(kernel, key, id, area, burst, picture));
    }
    for (const auto& [name, id] : trace.names) picture.product[node + ": name " + name] = id.text();
    TH_ASSIGN(picture.network[node + ": network"],
              network_text(kernel.links(), NetScope::node()));
  }
  return picture;
}

std::optional<std::string> limits_beside_settings(const Picture& now,
                                                  const std::vector<const Picture*>& known) {
  for (const auto& [key, limits] : now.limits) {
    const std::string settings = key.substr(0, key.size() - kLimits.size()) + kSettings;
    const auto mine = now.product.find(settings);
    if (mine == now.product.end()) continue;
    bool told = false;
    bool fits = false;
    std::string wanted;
    for (const Picture* picture : known) {
      const auto then = picture->product.find(settings);
      const auto held = picture->limits.find(key);
      if (then == picture->product.end() || held == picture->limits.end() ||
          then->second != mine->second)
        continue;
      told = true;
      fits = fits || held->second == limits;
      wanted = held->second;
    }
    if (told && !fits)
      return fmt::format("{}: \"{}\" with settings that mean \"{}\"", key, limits, wanted);
  }
  return std::nullopt;
}

std::optional<std::string> difference(const Facts& wanted, const Facts& got) {
  for (const auto& [key, value] : wanted) {
    const auto found = got.find(key);
    const std::string now = found == got.end() ? "nothing" : found->second;
    if (now != value)
      return fmt::format("{}: \"{}\" without the accident, \"{}\" with it", key, excerpt(value),
                         excerpt(now));
  }
  for (const auto& [key, value] : got)
    if (!wanted.contains(key))
      return fmt::format("{}: nothing without the accident, \"{}\" with it", key, excerpt(value));
  return std::nullopt;
}

}  // namespace twinhull::scenario
