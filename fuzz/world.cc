// Saved worlds: a damaged file is refused, never obeyed. The checksum would hide everything behind
// it, so that half of the inputs get a right one.
#include <cstdint>
#include <string>
#include <string_view>

#include "backends/sim/world.h"
#include "fuzz/oracle.h"

using namespace twinhull;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string bytes(reinterpret_cast<const char*>(data), size);
  auto world = sim::World::load(bytes);
  if (!world) {
    fuzz::require(!world.error().message().empty(), "a refusal says why");
    return 0;
  }
  // A world that was taken is a world: it saves, loads again, and time can pass in it.
  const std::string saved = (*world)->save();
  auto again = sim::World::load(saved);
  fuzz::require(again.has_value(), "what was saved can be loaded");
  fuzz::require((*again)->digest() == (*world)->digest(), "a round trip keeps the digest");
  return 0;
}
