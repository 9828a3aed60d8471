#include "tools/vzlist/collect.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "runtime/config/container_index.h"
#include "runtime/config/setting_values.h"
#include "runtime/kernel/clock.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/links.h"
#include "runtime/kernel/mounts.h"
#include "runtime/network/venet.h"
#include "runtime/resource/resources.h"

namespace twinhull::tools::list {
namespace {

/// What one call tells about all containers.
struct NodeTables {
  std::map<std::string, ProcessRef> inits;
  std::set<std::string> mount_points;
  std::set<std::string> dumps;
  std::map<CtId, std::vector<IpAddress>> addresses;
  std::map<std::string, std::string> device_macs;
  HostInfo host;
  Instant now;
};

Result<NodeTables> read_tables(Session& session, const NodeConfig& node, const Needs& needs) {
  NodeTables tables;
  Kernel& kernel = session.kernel;
  TH_ASSIGN(const std::vector<LabeledProcess> inits, kernel.processes().list());
  for (const LabeledProcess& process : inits) tables.inits.emplace(process.label, process.init);
  if (needs.status) {
    TH_ASSIGN(const std::vector<MountInfo> mounts, kernel.mounts().list("/"));
    for (const MountInfo& mount : mounts) tables.mount_points.insert(mount.target);
    const auto dumps = kernel.files().list(node.dump_directory);
    if (dumps) {
      for (const DirectoryEntry& entry : *dumps) tables.dumps.insert(entry.name);
    } else if (dumps.error().code != ErrorCode::not_found) {
      return dumps.error();
    }
  }
  if (needs.network && !tables.inits.empty()) {
    TH_ASSIGN(tables.addresses, network::routed_addresses(kernel));
    TH_ASSIGN(const std::vector<LinkInfo> links, kernel.links().list(NetScope::node()));
    for (const LinkInfo& link : links) tables.device_macs.emplace(link.name, link.mac);
  }
  if (needs.config) {
    TH_ASSIGN(tables.host, kernel.host().info());
  }
  tables.now = kernel.clock().now();
  return tables;
}

class Collector {
 public:
  Collector(Session& session, const NodeConfig& node, const NodeTables& tables, const Needs& needs,
            std::vector<std::string>& warnings)
      : session_(session), node_(node), tables_(tables), needs_(needs), warnings_(warnings) {}

  /// std::nullopt when the container went away meanwhile.
  std::optional<Row> row(CtId id, std::optional<ProcessRef> init) {
    Row row;
    row.id = id;
    row.init = init;
    row.status = init ? Status::running : Status::stopped;
    if (needs_.config && !read_config(row)) return std::nullopt;
    if (needs_.status) find_status(row);
    if (init) read_live(row);
    if (needs_.quota && row.settings) {
      auto usage = session_.kernel.quotas().usage(row.settings->private_area);
      if (usage)
        row.usage = *usage;
      else if (unexpected(usage.error()))
        warn(id, usage.error());
    }
    return row;
  }

 private:
  static bool unexpected(const Error& error) {
    return error.code != ErrorCode::not_found && error.code != ErrorCode::not_supported &&
           error.code != ErrorCode::not_running;
  }

  void warn(CtId id, const Error& error) {
    warnings_.push_back(fmt::format("CT {}: {}", id.text(), error.message()));
  }

  bool read_config(Row& row) {
    auto config = load_container_config(session_.kernel, session_.layout, node_, row.id);
    if (!config) {
      if (config.error().code == ErrorCode::not_found) return false;
      warn(row.id, config.error());
      return true;
    }
    row.settings = std::move(config->settings);
    row.ez_template = config->file.get("OSTEMPLATE").value_or("").starts_with('.');
    if (row.settings->cpulimit) {
      CtSettings alone;
      alone.id = row.id;
      alone.cpulimit = row.settings->cpulimit;
      const auto percent = resource::cpu_limit_percent(alone, tables_.host);
      if (percent)
        row.cpu_limit_percent = *percent;
      else
        warn(row.id, percent.error());
    }
    return true;
  }

  void find_status(Row& row) {
    if (row.init) {
      const auto frozen = session_.kernel.cgroups().freeze_state(CgroupPath{row.id.text()});
      if (frozen) {
        if (*frozen != FreezeState::thawed) row.status = Status::paused;
      } else if (unexpected(frozen.error())) {
        warn(row.id, frozen.error());
      }
      return;
    }
    const std::string root =
        row.settings ? row.settings->root : substitute_veid(node_.root_pattern, row.id);
    if (tables_.mount_points.contains(root))
      row.status = Status::mounted;
    else if (tables_.dumps.contains("Dump." + row.id.text()))
      row.status = Status::suspended;
  }

  void read_live(Row& row) {
    if (needs_.cgroup) {
      auto sample = session_.kernel.cgroups().sample(CgroupPath{row.id.text()});
      if (sample)
        row.sample = *sample;
      else if (unexpected(sample.error()))
        warn(row.id, sample.error());
    }
    if (needs_.uptime) {
      const auto started = session_.kernel.processes().started_at(*row.init);
      if (started)
        row.uptime = std::max(Duration{0}, tables_.now - *started);
      else if (unexpected(started.error()))
        warn(row.id, started.error());
    }
    if (needs_.network) {
      if (const auto found = tables_.addresses.find(row.id); found != tables_.addresses.end()) {
        take_addresses(row, found->second);
      }
      const std::string device = network::node_device(row.id);
      if (const auto link = tables_.device_macs.find(device); link != tables_.device_macs.end()) {
        row.device = device;
        row.device_mac = link->second;
      }
    }
  }

  /// In the order of the configuration, then those that it does not have.
  static void take_addresses(Row& row, std::vector<IpAddress> routed) {
    if (row.settings) {
      for (const IpPrefix& configured : row.settings->addresses) {
        if (std::erase(routed, configured.address) != 0) {
          row.addresses.push_back(configured.address.text());
        }
      }
    }
    for (const IpAddress& address : routed) row.addresses.push_back(address.text());
  }

  Session& session_;
  const NodeConfig& node_;
  const NodeTables& tables_;
  const Needs& needs_;
  std::vector<std::string>& warnings_;
};

}  // namespace

Result<Collected> collect(Session& session, const NodeConfig& node, const Selection& selection) {
  Collected collected;
  TH_ASSIGN(const NodeTables tables, read_tables(session, node, selection.needs));
  TH_ASSIGN(const std::vector<CtId> ids, list_containers(session.kernel, session.layout));
  Collector collector(session, node, tables, selection.needs, collected.warnings);
  collected.rows.reserve(ids.size());
  for (const CtId id : ids) {
    if (!selection.only.empty() &&
        std::find(selection.only.begin(), selection.only.end(), id) == selection.only.end()) {
      continue;
    }
    std::optional<ProcessRef> init;
    if (const auto found = tables.inits.find(id.text()); found != tables.inits.end()) {
      init = found->second;
    }
    if (selection.life == Selection::Life::running && !init) continue;
    if (selection.life == Selection::Life::stopped && init) continue;
    if (auto row = collector.row(id, init)) collected.rows.push_back(std::move(*row));
  }
  return collected;
}

}  // namespace twinhull::tools::list
