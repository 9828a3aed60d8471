#include <fmt/format.h>

#include "backends/sim/cpu/cgroup_model.h"
#include "backends/sim/files/file_ops.h"
#include "backends/sim/ports/ports.h"
#include "backends/sim/process/process_model.h"

namespace twinhull::sim {
namespace {

class ClockPort final : public Clock {
 public:
  explicit ClockPort(NodeGate gate) : gate_(gate) {}
  Instant now() override { return gate_.node().uptime(); }
  WallTime wall() override { return gate_.node().files->wall(); }
  Status sleep(Duration length) override {
    TH_TRY(gate_.enter("clock.sleep", gate_.node().spec.name));
    return gate_.sleep(length, "clock.sleep", gate_.node().spec.name);
  }

 private:
  NodeGate gate_;
};

class HostPort final : public Host {
 public:
  explicit HostPort(NodeGate gate) : gate_(gate) {}

  Result<HostInfo> info() override {
    const NodeSpec& spec = gate_.node().spec;
    TH_TRY(gate_.enter("host.info", spec.name));
    HostInfo info;
    info.hostname = spec.name;
    info.kernel = spec.kernel;
    info.architecture = "x86_64";
    for (std::uint32_t cpu = 0; cpu < spec.cpus; ++cpu) info.online_cpus.cpus.push_back(cpu);
    info.cpu_mhz = spec.cpu_mhz;
    info.cpu_features = spec.cpu_features;
    info.memory = spec.memory;
    info.swap = spec.swap;
    for (std::uint32_t number = 0; number < spec.memory_nodes; ++number) {
      MemoryNode node{number, {}};
      for (std::uint32_t cpu = 0; cpu < spec.cpus; ++cpu) {
        if (spec.memory_node_of(cpu) == number) node.cpus.cpus.push_back(cpu);
      }
      info.memory_nodes.push_back(std::move(node));
    }
    info.backend = "sim";
    return info;
  }

  Result<Support> supports(Feature feature) override {
    TH_TRY(gate_.enter("host.supports", to_string(feature)));
    switch (feature) {
      case Feature::lazy_pages:
        if (!gate_.node().spec.lazy_pages) {
          return Support{false, "its kernel hands no missing pages to user space (userfaultfd)"};
        }
        return Support{true, "simulated"};
      case Feature::seccomp:
        return Support{true, "simulated programs make no system calls that would be refused"};
      case Feature::device_rules: return Support{true, "kept; simulated programs open no devices"};
      default: return Support{true, "simulated"};
    }
  }

  Result<LoadAverage> load() override {
    TH_TRY(gate_.enter("host.load", gate_.node().spec.name));
    return gate_.node().cgroups->load_average();
  }

  Result<HostUsage> usage() override {
    const Node& node = gate_.node();
    TH_TRY(gate_.enter("host.usage", node.spec.name));
    CgroupModel& groups = cgroups_of(node);
    const MemorySample memory = groups.memory().sample(kRootMemoryGroup);
    HostUsage usage;
    usage.memory = memory.anonymous;
    usage.swap = memory.swap;
    for (const auto& [pid, process] : processes_of(node).all()) {
      ++usage.processes;
      usage.threads += process->threads;
    }
    usage.cpu = groups.cpu().delivered().time();
    return usage;
  }

  Result<DiskInfo> disk(const std::string& path) override {
    TH_TRY(gate_.enter("host.disk", path));
    return FileOps(gate_.node()).disk(path);
  }

  Result<std::string> boot_id() override {
    const Node& node = gate_.node();
    TH_TRY(gate_.enter("host.boot_id", node.spec.name));
    const std::uint64_t high = mix(node.engine.seed(), hash_text(node.spec.name));
    const std::uint64_t low = mix(high, node.boot);
    return fmt::format("{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}", high >> 32U, (high >> 16U) & 0xffffU,
                       high & 0xfffU, 0x8000U | (low >> 50U), low & 0xffffffffffffU);
  }

 private:
  NodeGate gate_;
};

}  // namespace

std::unique_ptr<Clock> make_clock_port(NodeGate gate) {
  return std::make_unique<ClockPort>(gate);
}
std::unique_ptr<Host> make_host_port(NodeGate gate) {
  return std::make_unique<HostPort>(gate);
}

}  // namespace twinhull::sim
