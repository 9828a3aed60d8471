#include "runtime/kernel/cgroups.h"

#include "runtime/kernel/decorators/ports.h"

namespace twinhull::decorators {
namespace {

using Path = const CgroupPath&;

class ObservedCgroups final : public Cgroups {
 public:
  ObservedCgroups(Cgroups& inner, Hook& hook) : inner_(inner), hook_(hook) {}

  Result<Effect> create(Path path) override {
    return hook_.call("cgroups.create", path.text, [&] { return inner_.create(path); });
  }
  Result<Effect> remove(Path path) override {
    return hook_.call("cgroups.remove", path.text, [&] { return inner_.remove(path); });
  }
  Result<std::vector<std::string>> children(Path parent) override {
    return hook_.call("cgroups.children", parent.text, [&] { return inner_.children(parent); });
  }
  Result<CpuShares> set_cpu_shares(Path path, CpuShares shares) override {
    return hook_.call(
        "cgroups.set_cpu_shares", path.text, [&] { return inner_.set_cpu_shares(path, shares); },
        shares);
  }
  Result<std::optional<CpuQuota>> set_cpu_quota(Path path, std::optional<CpuQuota> quota) override {
    return hook_.call(
        "cgroups.set_cpu_quota", path.text, [&] { return inner_.set_cpu_quota(path, quota); },
        quota);
  }
  Result<CpuSet> set_cpus(Path path, std::optional<CpuSet> cpus) override {
    return hook_.call(
        "cgroups.set_cpus", path.text, [&] { return inner_.set_cpus(path, cpus); }, cpus);
  }
  Result<CpuSet> set_memory_nodes(Path path, std::optional<CpuSet> nodes) override {
    return hook_.call(
        "cgroups.set_memory_nodes", path.text,
        [&] { return inner_.set_memory_nodes(path, nodes); }, nodes);
  }
  Result<MemoryLimit> set_memory(Path path, MemoryLimit limit) override {
    return hook_.call(
        "cgroups.set_memory", path.text, [&] { return inner_.set_memory(path, limit); }, limit);
  }
  Result<Bytes> set_memory_high(Path path, Bytes high) override {
    return hook_.call(
        "cgroups.set_memory_high", path.text, [&] { return inner_.set_memory_high(path, high); },
        high);
  }
  Result<Bytes> set_memory_low(Path path, Bytes low) override {
    return hook_.call(
        "cgroups.set_memory_low", path.text, [&] { return inner_.set_memory_low(path, low); }, low);
  }
  Result<std::uint64_t> set_pids(Path path, std::uint64_t most) override {
    return hook_.call(
        "cgroups.set_pids", path.text, [&] { return inner_.set_pids(path, most); }, most);
  }
  Result<IoWeight> set_io_weight(Path path, const std::string& place, IoWeight weight) override {
    return hook_.call(
        "cgroups.set_io_weight", path.text,
        [&] { return inner_.set_io_weight(path, place, weight); }, place, weight);
  }
  Result<IoLimit> set_io_limits(Path path, const std::string& place, IoLimit limit) override {
    return hook_.call(
        "cgroups.set_io_limits", path.text,
        [&] { return inner_.set_io_limits(path, place, limit); }, place, limit);
  }
  Status set_devices(Path path, const std::vector<DeviceRule>& allowed) override {
    return hook_.call(
        "cgroups.set_devices", path.text, [&] { return inner_.set_devices(path, allowed); },
        allowed);
  }
  Status freeze(Path path) override {
    return hook_.call("cgroups.freeze", path.text, [&] { return inner_.freeze(path); });
  }
  Status thaw(Path path) override {
    return hook_.call("cgroups.thaw", path.text, [&] { return inner_.thaw(path); });
  }
  Result<FreezeState> freeze_state(Path path) override {
    return hook_.call("cgroups.freeze_state", path.text, [&] { return inner_.freeze_state(path); });
  }
  Result<std::uint64_t> kill_all(Path path) override {
    return hook_.call("cgroups.kill_all", path.text, [&] { return inner_.kill_all(path); });
  }
  Result<std::vector<ProcessRef>> processes(Path path) override {
    return hook_.call("cgroups.processes", path.text, [&] { return inner_.processes(path); });
  }
  Result<CgroupSample> sample(Path path) override {
    return hook_.call("cgroups.sample", path.text, [&] { return inner_.sample(path); });
  }
  Result<CgroupLimits> limits(Path path, const std::string& place) override {
    return hook_.call(
        "cgroups.limits", path.text, [&] { return inner_.limits(path, place); }, place);
  }

 private:
  Cgroups& inner_;
  Hook& hook_;
};

}  // namespace

std::unique_ptr<Cgroups> wrap_cgroups(Cgroups& inner, Hook& hook) {
  return std::make_unique<ObservedCgroups>(inner, hook);
}

}  // namespace twinhull::decorators
