#include "runtime/resource/commitment.h"

#include <fmt/format.h>

#include "runtime/resource/amounts.h"
#include "runtime/resource/beancounters.h"
#include "runtime/resource/split.h"

namespace twinhull::resource {
namespace {

constexpr const char* kKernelParts[] = {"kmemsize", "tcprcvbuf", "tcpsndbuf", "dgramrcvbuf",
                                        "othersockbuf"};

/// Kernel memory and buffers that the settings grant.
BarrierLimit kernel_bounds(const CtSettings& settings) {
  BarrierLimit sum{0, 0};
  for (const char* name : kKernelParts) {
    const BarrierLimit part = effective_beancounter(settings, name);
    // Within RAM already, see MemoryDemand.
    const bool inside_ram = settings.vswap() && part.limit == kUnlimited;
    if (inside_ram) continue;
    sum.barrier = plus(sum.barrier, part.barrier);
    sum.limit = plus(sum.limit, part.limit);
  }
  return sum;
}

std::uint64_t bytes_of(std::uint64_t pages) {
  return times(pages, kPageSize);
}

}  // namespace

MemoryDemand& MemoryDemand::operator+=(const MemoryDemand& other) {
  kernel_used = plus(kernel_used, other.kernel_used);
  kernel_promised = plus(kernel_promised, other.kernel_promised);
  kernel_most = plus(kernel_most, other.kernel_most);
  ram_used = plus(ram_used, other.ram_used);
  memory_used = plus(memory_used, other.memory_used);
  memory_promised = plus(memory_promised, other.memory_promised);
  alloc_used = plus(alloc_used, other.alloc_used);
  alloc_promised = plus(alloc_promised, other.alloc_promised);
  alloc_most = plus(alloc_most, other.alloc_most);
  return *this;
}

MemoryDemand memory_demand(const CtSettings& settings, const std::optional<CgroupSample>& sample) {
  MemoryDemand demand;
  if (sample) {
    const MemorySample& memory = sample->memory;
    demand.kernel_used =
        minus(memory.usage.value, plus(memory.anonymous.value, memory.cache.value));
    demand.ram_used = memory.usage.value;
    demand.memory_used = plus(plus(memory.anonymous.value, memory.swap.value), demand.kernel_used);
    demand.alloc_used = demand.memory_used;
  }
  const BarrierLimit kernel = kernel_bounds(settings);
  demand.kernel_promised = kernel.barrier;
  demand.kernel_most = kernel.limit;
  const auto barrier = [&](const char* name) {
    return bytes_of(effective_beancounter(settings, name).barrier);
  };
  demand.memory_promised = plus(barrier("oomguarpages"), kernel.limit);
  demand.alloc_promised = plus(barrier("vmguarpages"), kernel.limit);
  demand.alloc_most =
      plus(bytes_of(effective_beancounter(settings, "privvmpages").limit), kernel.limit);
  return demand;
}

MemoryCapacity memory_capacity(const HostInfo& host) {
  MemoryCapacity capacity;
  capacity.kernel = times(low_memory(host.memory).value, 4, 10);
  capacity.ram = host.memory.value;
  capacity.ram_and_swap = plus(host.memory.value, host.swap.value);
  return capacity;
}

std::optional<std::uint64_t> share_of(std::uint64_t part, std::uint64_t whole) {
  if (part == kUnlimited || whole == 0) return std::nullopt;
  return times(part, 10000, whole);
}

std::string share_text(const std::optional<std::uint64_t>& hundredths) {
  if (!hundredths) return "unlim";
  return fmt::format("{}.{:02}", *hundredths / 100, *hundredths % 100);
}

Result<std::uint64_t> cpu_power(const HostInfo& host) {
  if (host.cpu_mhz == 0)
    return fail(ErrorCode::not_supported, "node.cpu_power", "node " + host.hostname,
                "the speed of its CPUs is unknown");
  return host.cpu_mhz * 2 * 25 * host.online_cpus.cpus.size();
}

}  // namespace twinhull::resource
