#include "runtime/container/identity.h"

#include <fmt/format.h>

#include <cstdint>
#include <string_view>

#include "runtime/kernel/clock.h"
#include "runtime/kernel/host.h"

namespace twinhull::container {
namespace {

/// FNV-1a, 64 bits, from a chosen start.
std::uint64_t hash(std::string_view text, std::uint64_t state) {
  for (const char letter : text) {
    state ^= static_cast<unsigned char>(letter);
    state *= 0x100000001b3ULL;
  }
  // FNV mixes its high bits poorly for short texts.
  state ^= state >> 32;
  state *= 0xd6e8feb86659fd93ULL;
  state ^= state >> 32;
  return state;
}

}  // namespace

Result<std::string> make_uuid(Kernel& kernel, CtId id) {
  TH_ASSIGN(const std::string boot, kernel.host().boot_id());
  const auto born = kernel.clock().wall().time_since_epoch().count();
  const std::string seed = boot + "/" + std::to_string(born) + "/" + id.text();
  std::uint64_t high = hash(seed, 0xcbf29ce484222325ULL);
  std::uint64_t low = hash(seed, 0x9ae16a3b2f90404fULL);
  high = (high & ~0xf000ULL) | 0x8000ULL;                    // version 8
  low = (low & ~(0x3ULL << 62)) | (std::uint64_t{1} << 63);  // variant 10
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, (high >> 16) & 0xffff,
                     high & 0xffff, low >> 48, low & 0xffffffffffffULL);
}

}  // namespace twinhull::container
