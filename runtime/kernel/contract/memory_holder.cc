#include "runtime/kernel/contract/memory_holder.h"

#include <fmt/format.h>

#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/contract/checks.h"
#include "runtime/kernel/contract/peer_channel.h"
#include "runtime/kernel/files.h"

namespace twinhull::contract {
namespace {

/// What vzload prints about kHeld at its end, if every byte is still what it was.
const std::string kWhole = "\"bytes\":33554432,";

std::string text_of(Kernel& node, const std::string& path) {
  const auto text = node.files().read(path);
  return text ? *text : std::string();
}

}  // namespace

Box holding_box(ContractStage& stage, Duration hold) {
  const Box box = MUST(start_box(stage, "c1", {"/bin/sh", "-c", "while true; do sleep 0.1; done"}));
  MUST(shell_output(stage, box,
                    fmt::format("vzload memory --grow 32M --hold {} --verify >/report 2>/error &",
                                hold.count() * stage.slowness() / 1'000'000'000)));
  BOOST_REQUIRE(eventually(stage, kPatience, [&] {
    return MUST(stage.kernel().cgroups().sample(box.group)).memory.anonymous.value >= kHeld;
  }));
  return box;
}

std::string report_of(Kernel& node, const Box& box) {
  return text_of(node, box.root + "/report");
}

bool reported(Kernel& node, const Box& box) {
  BOOST_CHECK_EQUAL(text_of(node, box.root + "/error"), "");
  return report_of(node, box).find(kWhole) != std::string::npos;
}

}  // namespace twinhull::contract
