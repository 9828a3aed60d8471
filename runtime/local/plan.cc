#include "runtime/local/plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/config/container_index.h"
#include "runtime/container/identity.h"
#include "runtime/container/scripts.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/mounts.h"
#include "runtime/kernel/processes.h"

namespace twinhull::local {
namespace {

using migrate::MigrateExit;
using migrate::to_int;

bool at_or_below(const std::string& path, const std::string& top) {
  return path == top || path.starts_with(top + "/");
}

bool overlap(const std::string& a, const std::string& b) {
  return at_or_below(a, b) || at_or_below(b, a);
}

/// An absolute path without detours, so that two of them can be compared as text.
bool usable(const std::string& path) {
  return path.size() > 1 && path.starts_with('/') && !path.ends_with('/') &&
         path.find("//") == std::string::npos && !(path + "/").contains("/../") &&
         !(path + "/").contains("/./");
}

Status place(ConfigFile& file, const char* key, const std::string& wish, const Request& request) {
  if (!wish.empty()) return file.set(key, wish);
  const auto now = file.get(key);
  if (!now) return {};
  const std::string then = renumbered_place(*now, request.id, request.new_id);
  return then == *now ? Status() : file.set(key, then);
}

/// Hardware addresses of NETIF end in bytes that the UUID gives: one that is used twice on a bridge
/// takes both containers off the network.
std::string with_new_addresses(std::string value, std::string_view uuid) {
  std::string digits;
  for (const char c : uuid)
    if (c != '-') digits += c;
  std::size_t next = 0;
  for (std::size_t at = 0; (at = value.find("mac=", at)) != std::string::npos;) {
    at += 4;
    const std::size_t end = std::min(value.find_first_of(",;", at), value.size());
    // Locally administered, as the product's own are.
    std::string address = "02";
    for (int byte = 0; byte < 5; ++byte, next += 2)
      address += ":" + digits.substr(next % (digits.size() - 1), 2);
    value.replace(at, end - at, address);
    at += address.size();
  }
  return value;
}

Status check_source(container::Context& context, const Plan& plan, const Request& request,
                    Purpose purpose) {
  const container::State& state = plan.state;
  const CtId id = request.id;
  if (!state.has_private)
    return refuse(MigrateExit::broken_container, ErrorCode::not_found, id,
                  fmt::format("its private area {} does not exist", plan.from.private_area));
  if (state.suspended && purpose == Purpose::copy)
    return fail(ErrorCode::busy, "migrate.local", "CT " + id.text(),
                "a suspended container cannot be copied: its processes would exist twice")
        .with_exit_code(kCopyOfSuspended)
        .with_hint("resume it, or give the state up with: vzctl start");
  if (state.suspended)
    return refuse(MigrateExit::cannot_stop, ErrorCode::busy, id,
                  "is suspended: its state names the places that it would lose")
        .with_hint("resume it first, or give the state up with: vzctl start");
  if (purpose == Purpose::copy) return {};
  if (state.paused)
    return refuse(MigrateExit::cannot_stop, ErrorCode::busy, id, "is paused")
        .with_hint("resume or stop it first");
  if (!state.running() || request.force) return {};
  // Whoever works inside through vzctl exec or enter has no parent there.
  Processes& processes = context.kernel().processes();
  TH_ASSIGN(const auto inside, context.kernel().cgroups().processes(container::group_of(id)));
  for (const ProcessRef& process : inside) {
    if (process == *state.init) continue;
    const auto facts = processes.facts(process);
    if (!facts && facts.error().code != ErrorCode::not_running) return facts.error();
    if (!facts || !facts->parent.empty()) continue;
    return refuse(
               MigrateExit::cannot_stop, ErrorCode::busy, id,
               fmt::format("somebody works inside: {} (pid {}) was started by vzctl exec or enter",
                           facts->name, process.pid))
        .with_hint("end it, or go on without it: -f");
  }
  return {};
}

Status taken(const Plan& plan, std::string_view what) {
  return refuse(MigrateExit::exists, ErrorCode::exists, plan.from.id,
                fmt::format("cannot become CT {}: {}", plan.to.id.text(), what));
}

Status check_target(container::Context& context, const Plan& plan, const Request& request) {
  Kernel& kernel = context.kernel();
  Files& files = kernel.files();
  const CtSettings& to = plan.to;
  const auto usage = [&](std::string why) {
    return refuse(MigrateExit::usage, ErrorCode::invalid_argument, request.id, std::move(why));
  };
  if (overlap(to.private_area, to.root))
    return usage(fmt::format("{} and {} lie in each other", to.private_area, to.root));
  if (plan.area_moves() && overlap(plan.from.private_area, to.private_area))
    return usage(fmt::format("{} lies in {}", to.private_area, plan.from.private_area));
  std::vector<std::string> free;
  if (plan.renumbered()) {
    free.push_back(context.layout().container_config(to.id));
    const auto scripts = container::container_scripts(context.layout(), to.id);
    free.insert(free.end(), scripts.begin(), scripts.end());
    TH_ASSIGN(const auto init, kernel.processes().find(container::label_of(to.id)));
    if (init) return taken(plan, "processes of it run");
  }
  if (plan.area_moves()) free.insert(free.end(), {to.private_area, plan.staging(), plan.probe()});
  for (const std::string& path : free) {
    TH_ASSIGN(const auto there, files.stat(path));
    if (there) return taken(plan, path + " exists");
  }
  if (plan.root_moves()) {
    TH_ASSIGN(const auto mounts, kernel.mounts().list(to.root));
    if (!mounts.empty()) return taken(plan, "something is mounted at " + to.root);
  }
  if (request.private_area.empty() && request.root.empty()) return {};
  // Places that were chosen by hand may be another container's.
  TH_ASSIGN(const auto all, list_containers(kernel, context.layout()));
  for (const CtId id : all) {
    if (id == request.id) continue;
    const auto other = load_ct_settings(kernel, context.layout(), context.node, id);
    if (!other) continue;  // it says nothing that could be compared
    if (overlap(other->root, to.root) || overlap(other->private_area, to.private_area))
      return taken(plan, fmt::format("its places are those of CT {}", id.text()));
  }
  return {};
}

Status check_space(container::Context& context, const Plan& plan) {
  TH_ASSIGN(const TreeSize area, context.kernel().files().measure_tree(plan.from.private_area));
  TH_ASSIGN(const DiskInfo disk, context.kernel().host().disk(plan.to.private_area));
  if (area.bytes <= disk.available) return {};
  return refuse(MigrateExit::no_disk_space, ErrorCode::no_space, plan.from.id,
                fmt::format("its files need {} bytes, {} are free for {}", area.bytes.value,
                            disk.available.value, plan.to.private_area))
      .with_hint("free some space, or try all the same with -f");
}

}  // namespace

Error refuse(migrate::MigrateExit code, ErrorCode kind, CtId id, std::string_view why) {
  return fail(kind, "migrate.local", "CT " + id.text(), why).with_exit_code(to_int(code));
}

std::string renumbered_place(const std::string& value, CtId id, CtId new_id) {
  if (value.contains("$VEID") || value.contains("${VEID}")) return value;
  const std::size_t slash = value.rfind('/');
  if (slash == std::string::npos || value.substr(slash + 1) != id.text()) return value;
  return value.substr(0, slash + 1) + new_id.text();
}

Result<Plan> make_plan(container::Context& context, const Request& request, Purpose purpose) {
  Kernel& kernel = context.kernel();
  auto config = load_container_config(kernel, context.layout(), context.node, request.id);
  if (!config) {
    const bool unknown = config.error().code == ErrorCode::not_found;
    return migrate::stage_error(
        unknown ? MigrateExit::not_on_source : MigrateExit::broken_container,
        "CT " + request.id.text(), unknown ? "is not on this node" : "cannot be read",
        std::move(config).error());
  }
  Plan plan;
  plan.from = std::move(config->settings);
  plan.file = std::move(config->file);
  TH_ASSIGN(plan.state, container::observe(kernel, context.layout(), context.node, plan.from));
  TH_TRY(check_source(context, plan, request, purpose));
  for (const std::string& path : {request.private_area, request.root})
    if (!path.empty() && !usable(path))
      return refuse(MigrateExit::usage, ErrorCode::invalid_argument, request.id,
                    fmt::format("\"{}\" is no absolute path of a directory", path));
  TH_TRY(place(plan.file, "VE_PRIVATE", request.private_area, request));
  TH_TRY(place(plan.file, "VE_ROOT", request.root, request));
  if (purpose == Purpose::copy) {
    TH_ASSIGN(const std::string uuid, container::make_uuid(kernel, request.new_id));
    TH_TRY(plan.file.set("UUID", uuid));
    plan.file.unset("NAME");
    if (const auto devices = plan.file.get("NETIF"))
      TH_TRY(plan.file.set("NETIF", with_new_addresses(*devices, uuid)));
  }
  TH_ASSIGN(plan.to, interpret_ct_settings(plan.file, context.node, request.new_id,
                                           context.layout().container_config(request.new_id)));
  if (purpose == Purpose::move && !plan.renumbered() && !plan.area_moves() && !plan.root_moves())
    return refuse(MigrateExit::same_node, ErrorCode::invalid_argument, request.id,
                  "is there already: neither number nor place would change");
  if (purpose == Purpose::copy && !plan.area_moves())
    return taken(plan, plan.to.private_area + " is the area of the source").error();
  TH_TRY(check_target(context, plan, request));
  if (purpose == Purpose::copy && !request.force) TH_TRY(check_space(context, plan));
  if (!plan.renumbered()) return plan;
  const auto old_scripts = container::container_scripts(context.layout(), request.id);
  const auto new_scripts = container::container_scripts(context.layout(), request.new_id);
  for (std::size_t i = 0; i < old_scripts.size(); ++i) {
    TH_ASSIGN(const auto there, kernel.files().stat(old_scripts[i]));
    if (there) plan.scripts.emplace_back(old_scripts[i], new_scripts[i]);
  }
  return plan;
}

}  // namespace twinhull::local
