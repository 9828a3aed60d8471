#include "runtime/resource/size_text.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "runtime/kernel/units.h"

namespace twinhull::resource {
namespace {

constexpr std::uint64_t kKibi = 1024, kMebi = kKibi << 10U, kGibi = kMebi << 10U;

}  // namespace

std::string exact_size_text(std::uint64_t bytes) {
  if (bytes == kUnlimited) return "unlimited";
  return bytes % kMebi == 0 ? fmt::format("{} MiB", bytes / kMebi)
                            : fmt::format("{} KiB", bytes / kKibi);
}

std::string size_text(std::uint64_t bytes) {
  if (bytes == kUnlimited) return "unlimited";
  constexpr std::array<std::pair<std::uint64_t, const char*>, 3> kUnits = {
      {{kGibi, "GiB"}, {kMebi, "MiB"}, {kKibi, "KiB"}}};
  for (const auto& [unit, name] : kUnits) {
    if (bytes < unit) continue;
    const std::uint64_t tenths = bytes / unit * 10 + bytes % unit * 10 / unit;
    return tenths % 10 == 0 ? fmt::format("{} {}", tenths / 10, name)
                            : fmt::format("{}.{} {}", tenths / 10, tenths % 10, name);
  }
  return fmt::format("{} B", bytes);
}

}  // namespace twinhull::resource
