// What OOMGUARPAGES guarantees (spec R10), in terms of kernels of today.
#include <algorithm>

#include "runtime/resource/resources.h"

namespace twinhull::resource {

Bytes memory_guarantee(const CtSettings& settings) {
  const auto stated = settings.beancounters.find("oomguarpages");
  if (stated == settings.beancounters.end()) return {0};
  std::uint64_t pages = stated->second.barrier;
  if (const auto ram = settings.ram()) {
    const auto swap = settings.swap();
    pages = std::min(pages, ram->value + (swap ? swap->value : 0));
  }
  // Nothing bounds it: nothing that can be promised.
  if (pages > kUnlimited / kPageSize) return {0};
  return {pages * kPageSize};
}

std::int32_t guarantee_adjust(Bytes guarantee, const HostInfo& host) {
  // The kernel counts whole thousandths, in pages.
  const std::uint64_t thousandth = (host.memory.value + host.swap.value) / kPageSize / 1000;
  if (guarantee.value == 0 || thousandth == 0) return 0;
  const std::uint64_t parts = (guarantee.value / kPageSize + thousandth - 1) / thousandth;
  constexpr std::uint64_t kMost = -(kLeastOomAdjust + 1);  // the least would be immunity
  return -static_cast<std::int32_t>(std::min(parts, kMost));
}

}  // namespace twinhull::resource
