// Saved worlds: a damaged file is refused or harmless, never obeyed blindly. Behind the checksum
// nothing would ever be reached, so that most inputs are patches on a good file whose length and
// checksum are put right again.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "backends/sim/world.h"
#include "fuzz/oracle.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/processes.h"

using namespace twinhull;

namespace {

constexpr std::size_t kHeader = 32;  // magic, version, reserved, length, checksum

/// A node with files, a group and a running init.
const std::string& good_file() {
  static const std::string bytes = [] {
    sim::World world(1);
    const auto made = [&world]() -> Status {
      TH_TRY(world.add_node({.name = "n1", .cpus = 2, .memory = {std::uint64_t{1} << 30}}));
      TH_TRY(world.install_template("n1", "/tree", {"busybox", sim::TemplateSpec::Kind::busybox, {}}));
      Kernel& kernel = world.kernel("n1");
      TH_TRY(kernel.cgroups().create({"101"}));
      SpawnSpec init;
      init.label = "101";
      init.root = "/tree";
      init.argv = {"/sbin/init"};
      init.cgroup = {"101"};
      TH_TRY(kernel.processes().spawn(init));
      world.advance(seconds(1));
      return {};
    }();
    fuzz::require(made.has_value(), "the base world can be made", made ? "" : made.error().message());
    return world.save();
  }();
  return bytes;
}

std::string patched(const std::uint8_t* data, std::size_t size) {
  std::string bytes = good_file();
  for (; size >= 4; data += 4, size -= 4) {
    const std::size_t at = (std::size_t{data[0]} << 16 | std::size_t{data[1]} << 8 | data[2]) %
                           (bytes.size() - kHeader);
    bytes[kHeader + at] = static_cast<char>(data[3]);
  }
  const std::uint64_t checksum = XXH3_64bits(bytes.data() + kHeader, bytes.size() - kHeader);
  std::memcpy(bytes.data() + 24, &checksum, sizeof checksum);
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const bool raw = data[0] == 0;
  auto world = sim::World::load(raw ? std::string(reinterpret_cast<const char*>(data + 1), size - 1)
                                    : patched(data + 1, size - 1));
  if (!world) {
    fuzz::require(!world.error().message().empty(), "a refusal says why");
    return 0;
  }
  // A world that was taken is a world: it saves, loads again, and time can pass in it.
  auto again = sim::World::load((*world)->save());
  fuzz::require(again.has_value(), "what was saved can be loaded");
  fuzz::require((*again)->digest() == (*world)->digest(), "a round trip keeps the digest");
  (*world)->advance(milliseconds(100));
  return 0;
}
