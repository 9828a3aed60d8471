// What the runtime relies on: whom the OOM killer takes, and how that is chosen (spec F4.14).
#include <algorithm>
#include <optional>

#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/contract/checks.h"
#include "runtime/kernel/contract/containers.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/processes.h"

namespace twinhull::contract {
namespace {

std::vector<Case>& cases() {
  static std::vector<Case> list;
  return list;
}

constexpr std::uint64_t kMebi = std::uint64_t{1} << 20;

MemorySample memory(ContractStage& stage, const Box& box) {
  return MUST(stage.kernel().cgroups().sample(box.group)).memory;
}

std::string adjust_inside(ContractStage& stage, const Box& box) {
  return MUST(shell_output(stage, box, "cat /proc/self/oom_score_adj"));
}

/// The processes of the box whose program has this name.
std::vector<ProcessRef> named(ContractStage& stage, const Box& box, const std::string& name) {
  std::vector<ProcessRef> found;
  for (const ProcessRef process : MUST(stage.kernel().cgroups().processes(box.group))) {
    const auto facts = stage.kernel().processes().facts(process);
    if (facts && facts->name == name) found.push_back(process);
  }
  return found;
}

/// Starts a program that keeps `mebibytes` of anonymous memory, and waits until it has them. The shell
/// that becomes it does `first` before.
ProcessRef hold(ContractStage& stage, const Box& box, std::uint64_t mebibytes,
                const std::string& first = "") {
  const std::uint64_t had = memory(stage, box).anonymous.value;
  const auto before = named(stage, box, "vzload");
  MUST(shell_output(
      stage, box,
      "(" + first + "exec vzload memory --grow " + std::to_string(mebibytes) +
          "M --hold 1000) >/dev/null 2>&1 &"));
  std::optional<ProcessRef> made;
  BOOST_REQUIRE(eventually(stage, seconds(30), [&] {
    for (const ProcessRef process : named(stage, box, "vzload"))
      if (std::find(before.begin(), before.end(), process) == before.end()) made = process;
    return made && memory(stage, box).anonymous.value >= had + mebibytes * kMebi;
  }));
  return *made;
}

/// A started box below a memory limit without swap. Where there are no limits the case is over.
#define LIMITED_BOX(box, mebibytes)                                                         \
  const Box box = MUST(start_box(stage, "c1"));                                             \
  const MemoryLimit limit_of_box{{(mebibytes)*kMebi}, {0}};                                 \
  NEEDS(stage, memory_limit, stage.kernel().cgroups().set_memory(box.group, limit_of_box)); \
  MUST(stage.kernel().cgroups().set_memory(box.group, limit_of_box))

/// A newcomer takes what is not there: it lives, `victim` dies, and of the others so much is left. Only of
/// the victim is it sure: an ending process stops to be a reason for waiting before the last of its pages
/// is given back (mm/mmap.c, exit_mmap sets MMF_OOM_SKIP), so on a slow machine another may die as well.
void newcomer_kills(ContractStage& stage, const Box& box, const ProcessRef& victim,
                    const std::string& newcomer, std::uint64_t least, std::uint64_t below) {
  MUST(shell_output(stage, box, "vzload memory --grow " + newcomer));
  BOOST_CHECK(!MUST(stage.kernel().processes().alive(victim)));
  const MemorySample after = memory(stage, box);
  BOOST_CHECK_GE(after.oom_kills, 1);
  if (after.oom_kills != 1) return;
  BOOST_CHECK_MESSAGE(after.anonymous.value >= least * kMebi && after.anonymous.value < below * kMebi,
                      after.anonymous.value << " bytes are left");
}

CASE(an_adjustment_is_kept_and_told) {
  Processes& processes = stage.kernel().processes();
  const Box box = MUST(start_box(stage, "c1"));
  CHANGED(processes.set_oom_adjust(box.init, 321));
  NO_EFFECT(processes.set_oom_adjust(box.init, 321));
  BOOST_CHECK_EQUAL(MUST(processes.facts(box.init)).oom_adjust, 321);
  CHANGED(processes.set_oom_adjust(box.init, 0));
  BOOST_CHECK_EQUAL(MUST(processes.facts(box.init)).oom_adjust, 0);
}

CASE(adjustments_beyond_a_thousand_are_refused) {
  Processes& processes = stage.kernel().processes();
  const Box box = MUST(start_box(stage, "c1"));
  for (const std::int32_t wrong : {-1001, 1001, 1'000'000})
    REFUSED(processes.set_oom_adjust(box.init, wrong), invalid_argument);
  BOOST_CHECK_EQUAL(MUST(processes.facts(box.init)).oom_adjust, 0);
  ExecSpec spec = command({"/bin/true"});
  spec.oom_adjust = 1001;
  REFUSED(processes.exec(box.init, spec), invalid_argument);
}

CASE(lowering_below_zero_needs_the_right) {
  Processes& processes = stage.kernel().processes();
  const Box box = MUST(start_box(stage, "c1"));
  const Support right = MUST(stage.kernel().host().supports(Feature::raise_limits));
  if (!right.available) {
    REFUSED(processes.set_oom_adjust(box.init, -10), not_permitted);
    BOOST_CHECK_EQUAL(MUST(processes.facts(box.init)).oom_adjust, 0);
    return;
  }
  CHANGED(processes.set_oom_adjust(box.init, -10));
  BOOST_CHECK_EQUAL(MUST(processes.facts(box.init)).oom_adjust, -10);
}

CASE(nothing_is_adjusted_of_who_is_gone) {
  Processes& processes = stage.kernel().processes();
  const Box box = MUST(start_box(stage, "c1"));
  ProcessRef other = box.init;
  ++other.generation;
  NO_EFFECT(processes.set_oom_adjust(other, 50));
  REFUSED(processes.facts(other), not_running);
  BOOST_CHECK_EQUAL(MUST(processes.facts(box.init)).oom_adjust, 0);
  MUST(processes.signal(box.init, Signal::kill));
  MUST(processes.wait_gone(box.init, seconds(10)));
  NO_EFFECT(processes.set_oom_adjust(box.init, 50));
  REFUSED(processes.facts(box.init), not_running);
}

CASE(an_init_is_born_with_its_adjustment) {
  const Box box = MUST(make_box(stage, "c1"));
  SpawnSpec spec = box_spec(box, {"/bin/sh", "-c", "sleep 1000; exit"});
  spec.oom_adjust = 200;
  const ProcessRef init = MUST(stage.kernel().processes().spawn(spec));
  BOOST_CHECK_EQUAL(MUST(stage.kernel().processes().facts(init)).oom_adjust, 200);
  // And so are its children.
  BOOST_REQUIRE(
      eventually(stage, seconds(10), [&] { return named(stage, box, "sleep").size() == 1; }));
  const ProcessRef child = named(stage, box, "sleep").front();
  BOOST_CHECK_EQUAL(MUST(stage.kernel().processes().facts(child)).oom_adjust, 200);
}

CASE(a_program_is_run_with_its_adjustment) {
  const Box box = MUST(start_box(stage, "c1"));
  MUST(stage.kernel().processes().set_oom_adjust(box.init, 100));
  ExecSpec spec =
      command({"/bin/sh", "-c", "cat /proc/self/oom_score_adj"}, {{"PATH", "/bin:/usr/bin"}});
  spec.oom_adjust = 444;
  BOOST_CHECK_EQUAL(MUST(stage.kernel().processes().exec(box.init, spec)).out, "444\n");
  // A program that is run inside is no child of init.
  BOOST_CHECK_EQUAL(adjust_inside(stage, box), "0");
}

CASE(facts_name_the_program_its_parent_and_its_user) {
  Processes& processes = stage.kernel().processes();
  const Box box = MUST(start_box(stage, "c1", {"/bin/sh", "-c", "sleep 1000; exit"}));
  const ProcessFacts init = MUST(processes.facts(box.init));
  BOOST_CHECK_EQUAL(init.name, "sh");
  BOOST_CHECK_EQUAL(init.parent, "");
  BOOST_CHECK_EQUAL(init.uid, 0);
  BOOST_REQUIRE(
      eventually(stage, seconds(10), [&] { return named(stage, box, "sleep").size() == 1; }));
  const ProcessFacts child = MUST(processes.facts(named(stage, box, "sleep").front()));
  BOOST_CHECK_EQUAL(child.parent, "sh");
  BOOST_CHECK_EQUAL(child.uid, 0);
}

CASE(who_lost_its_parent_is_a_child_of_init) {
  const Box box = MUST(start_box(stage, "c1", {"/bin/sh", "-c", "while true; do sleep 500; done"}));
  MUST(shell_output(stage, box, "vzload cpu --percent 1 --for 1000 >/dev/null 2>&1 &"));
  BOOST_REQUIRE(
      eventually(stage, seconds(20), [&] { return named(stage, box, "vzload").size() == 1; }));
  const ProcessRef orphan = named(stage, box, "vzload").front();
  BOOST_CHECK_EQUAL(MUST(stage.kernel().processes().facts(orphan)).parent, "sh");
}

CASE(the_largest_program_dies) {
  LIMITED_BOX(box, 96);
  const ProcessRef large = hold(stage, box, 48);
  hold(stage, box, 20);
  // The newcomer is far smaller than the one of 48 when the limit refuses.
  newcomer_kills(stage, box, large, "36M", 20, 40);
}

CASE(a_gap_of_a_twentieth_decides) {
  LIMITED_BOX(box, 128);
  const ProcessRef larger = hold(stage, box, 54);
  hold(stage, box, 50);
  newcomer_kills(stage, box, larger, "40M", 50, 54);
}

CASE(a_program_that_offers_itself_dies_first) {
  LIMITED_BOX(box, 96);
  hold(stage, box, 48);
  const ProcessRef small = hold(stage, box, 16, "echo 900 > /proc/self/oom_score_adj; ");
  newcomer_kills(stage, box, small, "40M", 48, 60);
}

CASE(an_adjustment_points_the_killer_at_a_process) {
  LIMITED_BOX(box, 96);
  hold(stage, box, 48);
  const ProcessRef small = hold(stage, box, 16);
  MUST(stage.kernel().processes().set_oom_adjust(small, 900));
  newcomer_kills(stage, box, small, "40M", 48, 60);
}

CASE(the_least_adjustment_makes_immune) {
  LIMITED_BOX(box, 96);
  const Support right = MUST(stage.kernel().host().supports(Feature::raise_limits));
  const ProcessRef large = hold(stage, box, 48);
  if (!right.available) {
    REFUSED(stage.kernel().processes().set_oom_adjust(large, kLeastOomAdjust), not_permitted);
    return;
  }
  MUST(stage.kernel().processes().set_oom_adjust(large, kLeastOomAdjust));
  // Half as large, and yet it is taken.
  BOOST_CHECK(!MUST(shell(stage, box, "exec vzload memory --grow 60M")).status.success());
  BOOST_CHECK(MUST(stage.kernel().processes().alive(large)));
  BOOST_CHECK(memory(stage, box).oom_kills >= 1);
}

CASE(the_same_adjustment_for_all_changes_nothing_inside) {
  LIMITED_BOX(box, 96);
  const ProcessRef large = hold(stage, box, 48), small = hold(stage, box, 20);
  for (const ProcessRef process : {large, small})
    MUST(stage.kernel().processes().set_oom_adjust(process, 300));
  ExecSpec newcomer = command({"/bin/vzload", "memory", "--grow", "36M"});
  newcomer.oom_adjust = 300;
  BOOST_CHECK(MUST(stage.kernel().processes().exec(box.init, newcomer)).status.success());
  BOOST_CHECK(!MUST(stage.kernel().processes().alive(large)));
  // As in newcomer_kills(): a second victim is the slow machine's.
  if (memory(stage, box).oom_kills == 1)
    BOOST_CHECK(MUST(stage.kernel().processes().alive(small)));
}

}  // namespace

Area oom_area() {
  return {"oom", cases()};
}

}  // namespace twinhull::contract
