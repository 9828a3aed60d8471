// How much of a node its containers use, were promised and may take (spec F4.2, F4.38).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "runtime/config/ct_settings.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/host.h"

namespace twinhull::resource {

/// Bytes of one container, or sums; kUnlimited = no bound.
///
/// Today's kernels count no allocations and no buffers by themselves: kernel memory in use is what
/// is charged beyond anonymous memory and cache, and memory counts as allocated once it was
/// touched. Kernel memory of a VSwap container lies within its RAM: unless it has a limit of its
/// own, nothing is promised of it beyond.
struct MemoryDemand {
  std::uint64_t kernel_used = 0;
  std::uint64_t kernel_promised = 0;  ///< barriers of kmemsize and the buffers
  std::uint64_t kernel_most = 0;      ///< their limits
  std::uint64_t ram_used = 0;         ///< physical pages and kernel memory
  std::uint64_t memory_used = 0;      ///< anonymous memory, swap and kernel memory
  std::uint64_t memory_promised = 0;  ///< oomguarpages and kernel memory
  std::uint64_t alloc_used = 0;
  std::uint64_t alloc_promised = 0;  ///< vmguarpages and kernel memory
  std::uint64_t alloc_most = 0;      ///< privvmpages and kernel memory
  MemoryDemand& operator+=(const MemoryDemand& other);
};

/// Without `sample` nothing is in use.
MemoryDemand memory_demand(const CtSettings& settings, const std::optional<CgroupSample>& sample);

/// What the demands are compared with.
struct MemoryCapacity {
  std::uint64_t kernel = 0;  ///< 40 % of low memory
  std::uint64_t ram = 0;
  std::uint64_t ram_and_swap = 0;
};
MemoryCapacity memory_capacity(const HostInfo& host);

/// `part` of `whole` in hundredths of a per cent; std::nullopt when `part` is unlimited.
std::optional<std::uint64_t> share_of(std::uint64_t part, std::uint64_t whole);
/// "12.34", or "unlim".
std::string share_text(const std::optional<std::uint64_t>& hundredths);

/// CPU power of a node in CPU units: 25 for each bogomips of each CPU (spec F4.2). A CPU has two
/// bogomips a MHz. Errors: not_supported when the speed is unknown.
Result<std::uint64_t> cpu_power(const HostInfo& host);

}  // namespace twinhull::resource
