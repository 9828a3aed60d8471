// What the simulator's unit tests begin with.
#pragma once

#include <boost/test/unit_test.hpp>
#include <string>
#include <utility>

#include "backends/sim/world.h"
#include "runtime/kernel/clock.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/mounts.h"
#include "runtime/kernel/quotas.h"

namespace twinhull::sim {

/// Value of a result that must be one; ends the test otherwise.
template <typename T>
T must(Result<T> result) {
  if (!result) BOOST_FAIL(to_string(result.error().code) << ": " << result.error().message());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// The code of a result that must be an error.
template <typename T>
ErrorCode code_of(const Result<T>& result) {
  if (result) BOOST_FAIL("succeeded instead of failing");
  return result.error().code;
}
#define TH_REFUSED(expression, wanted)                   \
  BOOST_TEST((code_of(expression) == ErrorCode::wanted), \
             #expression " must be refused with " #wanted)

/// One node "n1", its ports at hand.
struct OneNode {
  explicit OneNode(const NodeSpec& spec = small_node(), std::uint64_t seed = 1) : world(seed) {
    must(world.add_node(spec));
  }
  static NodeSpec small_node() {
    NodeSpec spec;
    spec.name = "n1";
    return spec;
  }
  Kernel& kernel() { return world.kernel("n1"); }
  Files& files() { return kernel().files(); }
  Mounts& mounts() { return kernel().mounts(); }
  Quotas& quotas() { return kernel().quotas(); }
  void power_cycle() {
    must(world.power_off("n1"));
    must(world.power_on("n1"));
  }
  bool exists(const std::string& path) { return must(files().stat(path)).has_value(); }
  std::string text(const std::string& path) { return must(files().read(path)); }

  World world;
};

}  // namespace twinhull::sim
