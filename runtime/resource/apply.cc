#include <fmt/format.h>

#include "runtime/config/setting_values.h"
#include "runtime/resource/beancounters.h"
#include "runtime/resource/resources.h"
#include "runtime/resource/size_text.h"

namespace twinhull::resource {
namespace {

constexpr int kIoExit = 148;

std::string text_of(Bytes bytes) {
  return exact_size_text(bytes.value);
}

/// A failed application under the container's name, with the exit code of its kind (spec R2).
Error refused(const CtSettings& settings, std::string_view what, int exit_code, Error lower) {
  return fail(lower.code, "resource.apply", fmt::format("CT {}", settings.id.text()),
              fmt::format("cannot set {}", what))
      .with_exit_code(exit_code)
      .caused_by(std::move(lower));
}

bool absent(const Error& error) {
  return error.code == ErrorCode::not_supported;
}

class Application {
 public:
  Application(Kernel& kernel, const CgroupPath& group, const CtSettings& settings,
              const ResourcePlan& plan)
      : kernel_(kernel), group_(group), settings_(settings), plan_(plan) {}

  Status cpu() {
    TH_TRY(shares());
    TH_TRY(quota());
    TH_TRY(cpu_set());
    return memory_nodes();
  }

  Status memory() {
    MemoryLimit wish = plan_.memory;
    if (wish.swap.value != kUnlimited) {
      TH_ASSIGN(const Support support, kernel_.host().supports(Feature::swap_limit));
      if (!support.available) {
        report_.warnings.push_back(fmt::format("swap is not limited: {}", support.reason));
        wish.swap = {kUnlimited};
      }
    }
    const MemoryLimit asked = wish;
    TH_ASSIGN(const Bytes soft, virtual_swap(wish));
    auto kept = kernel_.cgroups().set_memory(group_, wish);
    if (!kept) {
      if (absent(kept.error()) && wish == MemoryLimit{}) return {};  // nothing to lift
      return refused(settings_, "the memory limit (--ram, --swap)", 1, std::move(kept).error());
    }
    if (*kept != wish) {
      report_.warnings.push_back(fmt::format(
          "memory: asked for {} + {} swap, the kernel keeps {} + {}", text_of(wish.memory),
          text_of(wish.swap), text_of(kept->memory), text_of(kept->swap)));
    }
    if (soft.value != kUnlimited) {
      report_.lines.push_back(fmt::format("Setting memory limit: {}, swap: {} (virtual)",
                                          text_of(asked.memory), text_of(asked.swap)));
    } else if (wish != MemoryLimit{}) {
      report_.lines.push_back(fmt::format("Setting memory limit: {}, swap: {}",
                                          text_of(kept->memory), text_of(kept->swap)));
    }
    TH_TRY(slow_down_above(soft));
    return guarantee();
  }

  Status tasks() {
    auto kept = kernel_.cgroups().set_pids(group_, plan_.tasks);
    if (!kept) {
      if (absent(kept.error()) && plan_.tasks == kUnlimited) return {};
      return refused(settings_, "the number of processes (--numproc)", 1, std::move(kept).error());
    }
    if (*kept != plan_.tasks) {
      report_.warnings.push_back(fmt::format("processes: asked for {}, the kernel keeps {}",
                                             quantity_text(plan_.tasks), quantity_text(*kept)));
    }
    if (plan_.tasks != kUnlimited) {
      report_.lines.push_back(fmt::format("Setting process limit: {}", *kept));
    }
    return {};
  }

  Status io(bool strict) {
    TH_TRY(io_weight(strict));
    return io_limits();
  }

  ApplyReport take() { return std::move(report_); }

 private:
  Status slow_down_above(Bytes soft) {
    auto kept = kernel_.cgroups().set_memory_high(group_, soft);
    if (kept) return {};
    if (absent(kept.error()) && soft.value == kUnlimited) return {};
    return refused(settings_, "the bound of virtual swap (--ram, --swap)", 1,
                   std::move(kept).error());
  }

  Status guarantee() {
    auto kept = kernel_.cgroups().set_memory_low(group_, plan_.guarantee);
    if (!kept) {
      if (!absent(kept.error())) {
        return refused(settings_, "the memory guarantee (--oomguarpages)", 1,
                       std::move(kept).error());
      }
      if (plan_.guarantee.value != 0) {
        report_.warnings.push_back("oomguarpages: memory is not kept from reclaim: " +
                                   kept.error().message());
      }
      return {};
    }
    if (plan_.guarantee.value != 0) {
      report_.lines.push_back(fmt::format("Setting memory guarantee: {}", text_of(*kept)));
    }
    return {};
  }

  Status shares() {
    auto kept = kernel_.cgroups().set_cpu_shares(group_, plan_.shares);
    if (!kept) {
      if (absent(kept.error()) && settings_.cpuunits == CpuUnits{1000}) {
        report_.warnings.push_back("CPU units do not act: " + kept.error().message());
        return {};
      }
      return refused(settings_, "CPU units (--cpuunits)", 2, std::move(kept).error());
    }
    if (*kept != plan_.shares) {
      report_.warnings.push_back(fmt::format("CPU units: asked for {} shares, the kernel keeps {}",
                                             plan_.shares.value, kept->value));
    }
    report_.lines.push_back(fmt::format("Setting CPU units: {}", settings_.cpuunits.value));
    return {};
  }

  Status io_weight(bool strict) {
    auto kept = kernel_.cgroups().set_io_weight(group_, settings_.private_area, plan_.io_weight);
    if (!kept) {
      if (absent(kept.error())) {
        if (plan_.io_weight == to_io_weight(kUsualIoPriority)) return {};
        if (!strict) {
          report_.warnings.push_back("the disk priority does not act: " + kept.error().message());
          return {};
        }
      }
      return refused(settings_, "the disk priority (--ioprio)", kIoExit, std::move(kept).error());
    }
    if (*kept != plan_.io_weight) {
      report_.warnings.push_back(fmt::format("disk priority: asked for weight {}, the kernel keeps {}",
                                             plan_.io_weight.value, kept->value));
    }
    if (settings_.ioprio) {
      report_.lines.push_back(fmt::format("Set up ioprio: {}", *settings_.ioprio));
    }
    return {};
  }

  Status io_limits() {
    auto kept = kernel_.cgroups().set_io_limits(group_, settings_.private_area, plan_.io);
    if (!kept) {
      if (absent(kept.error()) && plan_.io == IoLimit{}) return {};  // nothing to lift
      return refused(settings_, "the disk limits (--iolimit, --iopslimit)", kIoExit,
                     std::move(kept).error());
    }
    if (kept->bandwidth != plan_.io.bandwidth) {
      report_.warnings.push_back(fmt::format("iolimit: asked for {} bytes/s, the kernel keeps {}",
                                             quantity_text(plan_.io.bandwidth.value),
                                             quantity_text(kept->bandwidth.value)));
    }
    if (kept->operations != plan_.io.operations) {
      report_.warnings.push_back(fmt::format("iopslimit: asked for {}, the kernel keeps {}",
                                             quantity_text(plan_.io.operations),
                                             quantity_text(kept->operations)));
    }
    if (plan_.io.bandwidth.value != kUnlimited) {
      report_.lines.push_back(fmt::format("Set up iolimit: {}", kept->bandwidth.value));
    }
    if (plan_.io.operations != kUnlimited) {
      const std::uint64_t acts = acting_operations(kept->operations);
      report_.lines.push_back(
          fmt::format("Set up iopslimit: {}", kept->operations) +
          (acts == kept->operations
               ? ""
               : fmt::format(" (the kernel allows whole operations each 100 ms: it acts as {})", acts)));
    }
    return {};
  }

  Status quota() {
    auto kept = kernel_.cgroups().set_cpu_quota(group_, plan_.quota);
    if (!kept) {
      if (absent(kept.error()) && !plan_.quota) return {};
      return refused(settings_, "the CPU limit (--cpulimit, --cpus)", 2, std::move(kept).error());
    }
    if (*kept != plan_.quota) {
      const auto text = [](const std::optional<CpuQuota>& quota) {
        return quota ? fmt::format("{} us in {} us", quota->quota / microseconds(1),
                                   quota->period / microseconds(1))
                     : std::string("no limit");
      };
      report_.warnings.push_back(fmt::format("CPU limit: asked for {}, the kernel keeps {}",
                                             text(plan_.quota), text(*kept)));
    }
    if (plan_.quota) {
      report_.lines.push_back(fmt::format("CPU limit: {}%", plan_.quota->quota / milliseconds(1)));
    }
    if (settings_.cpus) report_.lines.push_back(fmt::format("Number of CPUs: {}", *settings_.cpus));
    return {};
  }

  Status cpu_set() {
    auto kept = kernel_.cgroups().set_cpus(group_, plan_.cpus);
    if (!kept) {
      if (absent(kept.error()) && !plan_.cpus) return {};
      return refused(settings_, "the CPU mask (--cpumask)", 146, std::move(kept).error());
    }
    if (plan_.cpus) {
      if (*kept != *plan_.cpus) {
        report_.warnings.push_back(fmt::format("CPU mask: asked for {}, the kernel keeps {}",
                                               plan_.cpus->text(), kept->text()));
      }
      report_.lines.push_back(fmt::format("Setting CPU mask: {}", kept->text()));
    }
    return {};
  }

  Status memory_nodes() {
    auto kept = kernel_.cgroups().set_memory_nodes(group_, plan_.memory_nodes);
    if (!kept) {
      if (absent(kept.error()) && !plan_.memory_nodes) return {};
      return refused(settings_, "the memory nodes (--nodemask)", 149, std::move(kept).error());
    }
    if (plan_.memory_nodes) {
      report_.lines.push_back(fmt::format("Setting memory nodes: {}", kept->text()));
    }
    return {};
  }

  /// Swap that is not there is virtual, as the product has it (spec F4.14): the memory stays in the
  /// node, but its use is slowed down. The wish becomes RAM + swap; the soft bound is returned.
  Result<Bytes> virtual_swap(MemoryLimit& wish) {
    const Bytes none{kUnlimited};
    if (wish.memory.value == kUnlimited || wish.swap.value == 0 ||
        wish.swap.value >= kUnlimited - wish.memory.value) {
      return none;
    }
    TH_ASSIGN(const HostInfo host, kernel_.host().info());
    if (host.swap.value != 0) return none;  // real swap slows down by itself
    TH_ASSIGN(const Support support, kernel_.host().supports(Feature::memory_high));
    if (!support.available) {
      report_.warnings.push_back(fmt::format(
          "this node has no swap, and virtual swap does not act: {}", support.reason));
      return none;
    }
    const Bytes soft = wish.memory;
    wish.memory = {wish.memory.value + wish.swap.value};
    wish.swap = {0};
    return soft;
  }

  Kernel& kernel_;
  const CgroupPath& group_;
  const CtSettings& settings_;
  const ResourcePlan& plan_;
  ApplyReport report_;
};

}  // namespace

Result<ApplyReport> apply_resources(Kernel& kernel, const CgroupPath& group,
                                    const CtSettings& settings,
                                    const std::set<ResourcePart>& parts, bool strict) {
  TH_ASSIGN(const HostInfo host, kernel.host().info());
  TH_ASSIGN(const ResourcePlan plan, plan_resources(settings, host));
  Application application(kernel, group, settings, plan);
  if (parts.contains(ResourcePart::cpu)) TH_TRY(application.cpu());
  if (parts.contains(ResourcePart::memory)) TH_TRY(application.memory());
  if (parts.contains(ResourcePart::tasks)) TH_TRY(application.tasks());
  if (parts.contains(ResourcePart::io)) TH_TRY(application.io(strict));
  ApplyReport report = application.take();
  report.warnings.insert(report.warnings.end(), plan.warnings.begin(), plan.warnings.end());
  // vzctl set speaks of what it was given, and of nothing else.
  if (const auto idle = unenforced_settings(settings); !strict && !idle.empty()) {
    report.warnings.push_back(
        fmt::format("kept in the configuration, but not enforced: {}", fmt::join(idle, ", ")));
  }
  return report;
}

Result<ApplyReport> apply_disk_limit(Kernel& kernel, const CtSettings& settings, bool strict) {
  TH_ASSIGN(const HostInfo host, kernel.host().info());
  TH_ASSIGN(const ResourcePlan plan, plan_resources(settings, host));
  ApplyReport report;
  auto kept = kernel.quotas().set_limit(settings.private_area, plan.disk);
  if (!kept) {
    if (absent(kept.error())) {
      if (plan.disk == TreeLimit{}) return report;
      if (!strict) {
        report.warnings.push_back("the disk quota does not act: " + kept.error().message());
        return report;
      }
    }
    return refused(settings, "the disk quota (--diskspace, --diskinodes)", 62,
                   std::move(kept).error());
  }
  if (*kept != plan.disk) {
    TH_ASSIGN(const QuotaMechanism mechanism, kernel.quotas().mechanism(settings.private_area));
    if (kept->bytes != plan.disk.bytes) {
      report.warnings.push_back(fmt::format("disk space: asked for {}, {} keeps {}",
                                            text_of(plan.disk.bytes), to_string(mechanism),
                                            text_of(kept->bytes)));
    }
    if (kept->inodes != plan.disk.inodes) {
      report.warnings.push_back(fmt::format(
          "disk inodes: asked for {}, {} keeps {}", quantity_text(plan.disk.inodes.value),
          to_string(mechanism), quantity_text(kept->inodes.value)));
    }
  }
  const auto soft_only = [&](const std::optional<BarrierLimit>& pair) {
    return pair && pair->barrier < pair->limit && settings.quotatime != std::uint64_t{0};
  };
  if (settings.disk_quota && (soft_only(settings.diskspace) || soft_only(settings.diskinodes))) {
    report.warnings.emplace_back("soft disk limits are kept but not enforced; the hard ones act");
  }
  if (plan.disk != TreeLimit{}) {
    report.lines.push_back(fmt::format("Setting disk quota: {}, {} inodes", text_of(kept->bytes),
                                       quantity_text(kept->inodes.value)));
  }
  return report;
}

}  // namespace twinhull::resource
