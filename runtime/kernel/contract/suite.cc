#include "runtime/kernel/contract/suite.h"

#include <boost/test/unit_test.hpp>

namespace twinhull::contract {
namespace {

namespace ut = boost::unit_test;

// Tears the stage down at the end of a case, also when the case was aborted.
void play(const StageKind& kind, void (*body)(ContractStage&)) {
  auto stage = kind.make();
  if (!stage) {
    BOOST_FAIL("no stage: " << stage.error().message());
    return;
  }
  const auto tear_down = [&stage] {
    const Status torn = (*stage)->tear_down();
    BOOST_CHECK_MESSAGE(torn, "tear-down: " << (torn ? std::string() : torn.error().message()));
  };
  try {
    body(**stage);
  } catch (...) {  // Boost.Test ends a case by an exception: pass it on
    tear_down();
    throw;
  }
  tear_down();
}

}  // namespace

std::size_t register_contract(const StageKind& kind) {
  std::vector<Area> areas = {clock_area(),   host_area(),      files_area(),    trees_area(),
                             mounts_area(),  processes_area(), programs_area(), cgroups_area(),
                             limits_area(),  memory_area(),   oom_area(),      io_area(),
                             quotas_area(),  links_area(),    traffic_area(),  channels_area(), updates_area(),
                             checkpoints_area(), lazy_pages_area(), sent_dumps_area()};
  if (kind.can_cut_power) areas.push_back(power_area());
  std::size_t count = 0;
  ut::test_suite* const backend = BOOST_TEST_SUITE(kind.name);
  for (const Area& area : areas) {
    ut::test_suite* const suite = BOOST_TEST_SUITE(area.name);
    for (const Case& one : area.cases) {
      suite->add(ut::make_test_case([kind, body = one.body] { play(kind, body); }, one.name,
                                    __FILE__, __LINE__));
      ++count;
    }
    backend->add(suite);
  }
  ut::framework::master_test_suite().add(backend);
  return count;
}

}  // namespace twinhull::contract
