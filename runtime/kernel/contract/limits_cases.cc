// What the runtime relies on: limits of Cgroups that act on running programs.
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/contract/checks.h"
#include "runtime/kernel/contract/containers.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"

namespace twinhull::contract {
namespace {

std::vector<Case>& cases() {
  static std::vector<Case> list;
  return list;
}

CgroupSample sample(ContractStage& stage, const Box& box) {
  return MUST(stage.kernel().cgroups().sample(box.group));
}

Duration cpu_in(ContractStage& stage, const Box& box, Duration length) {
  const Duration before = sample(stage, box).cpu.usage;
  MUST(stage.kernel().clock().sleep(length));
  return sample(stage, box).cpu.usage - before;
}

CpuSet first_cpu(ContractStage& stage) {
  return {{MUST(stage.kernel().host().info()).online_cpus.cpus.front()}};
}

double ratio(Duration a, Duration b) {
  return static_cast<double>(a.count()) / static_cast<double>(b.count());
}

CASE(a_busy_program_uses_cpu_and_a_sleeping_one_none) {
  const Box busy = MUST(start_box(stage, "c1", {"/bin/vzload", "cpu"}));
  const Box idle = MUST(start_box(stage, "c2"));
  BOOST_CHECK(cpu_in(stage, busy, milliseconds(500)) >= milliseconds(100));
  BOOST_CHECK(cpu_in(stage, idle, milliseconds(100)) <= milliseconds(20));
}

CASE(one_thread_uses_at_most_one_cpu) {
  const Box busy = MUST(start_box(stage, "c1", {"/bin/vzload", "cpu"}));
  Clock& clock = stage.kernel().clock();
  const Instant begin = clock.now();
  const Duration used = cpu_in(stage, busy, milliseconds(500));
  BOOST_CHECK(used <= (clock.now() - begin) + milliseconds(50));
}

CASE(a_cpu_quota_throttles) {
  const Box box = MUST(make_box(stage, "c1"));
  Cgroups& cgroups = stage.kernel().cgroups();
  const CpuQuota fifth{milliseconds(20), milliseconds(100)};
  NEEDS(stage, cpu_quota, cgroups.set_cpu_quota(box.group, fifth));
  MUST(cgroups.set_cpu_quota(box.group, fifth));
  MUST(stage.kernel().processes().spawn(box_spec(box, {"/bin/vzload", "cpu"})));
  MUST(stage.kernel().clock().sleep(milliseconds(200)));
  const CgroupSample before = sample(stage, box);
  const Instant begin = stage.kernel().clock().now();
  MUST(stage.kernel().clock().sleep(milliseconds(1500)));
  const CgroupSample after = sample(stage, box);
  const double share =
      ratio(after.cpu.usage - before.cpu.usage, stage.kernel().clock().now() - begin);
  BOOST_CHECK_MESSAGE(share > 0.12 && share < 0.28, "20 % were allowed, " << share << " used");
  BOOST_CHECK(after.cpu.periods > before.cpu.periods);
  BOOST_CHECK(after.cpu.throttled_periods >= before.cpu.throttled_periods + 5);
  BOOST_CHECK(after.cpu.throttled > before.cpu.throttled);
}

CASE(a_lifted_quota_no_longer_throttles) {
  const Box box = MUST(make_box(stage, "c1"));
  Cgroups& cgroups = stage.kernel().cgroups();
  const CpuQuota little{milliseconds(5), milliseconds(100)};
  NEEDS(stage, cpu_quota, cgroups.set_cpu_quota(box.group, little));
  MUST(cgroups.set_cpu_quota(box.group, little));
  MUST(stage.kernel().processes().spawn(box_spec(box, {"/bin/vzload", "cpu"})));
  const Duration limited = cpu_in(stage, box, milliseconds(500));
  MUST(cgroups.set_cpu_quota(box.group, std::nullopt));
  const Duration free = cpu_in(stage, box, milliseconds(500));
  BOOST_CHECK_MESSAGE(free > 2 * limited,
                      "limited " << limited.count() << " ns, then " << free.count() << " ns");
}

CASE(shares_divide_one_cpu) {
  Cgroups& cgroups = stage.kernel().cgroups();
  const Box light = MUST(make_box(stage, "c1"));
  const Box heavy = MUST(make_box(stage, "c2"));
  NEEDS(stage, cpu_shares, cgroups.set_cpu_shares(light.group, {512}));
  for (const Box* box : {&light, &heavy}) MUST(cgroups.set_cpus(box->group, first_cpu(stage)));
  MUST(cgroups.set_cpu_shares(light.group, {512}));
  MUST(cgroups.set_cpu_shares(heavy.group, {2048}));
  for (const Box* box : {&light, &heavy})
    MUST(stage.kernel().processes().spawn(box_spec(*box, {"/bin/vzload", "cpu"})));
  MUST(stage.kernel().clock().sleep(milliseconds(300)));
  const Duration light_before = sample(stage, light).cpu.usage;
  const Duration heavy_before = sample(stage, heavy).cpu.usage;
  MUST(stage.kernel().clock().sleep(seconds(2)));
  const double got = ratio(sample(stage, heavy).cpu.usage - heavy_before,
                           sample(stage, light).cpu.usage - light_before);
  BOOST_CHECK_MESSAGE(got > 2.4 && got < 6.5, "2048 : 512 gave " << got << " : 1");
}

CASE(a_demand_below_its_share_is_met_beside_a_busy_program) {
  // What it could not burn in a slice of its own it burns later: less would make everybody else faster.
  Cgroups& cgroups = stage.kernel().cgroups();
  const Box busy = MUST(make_box(stage, "c1"));
  const Box modest = MUST(make_box(stage, "c2"));
  NEEDS(stage, cpuset, cgroups.set_cpus(busy.group, first_cpu(stage)));
  for (const Box* box : {&busy, &modest}) MUST(cgroups.set_cpus(box->group, first_cpu(stage)));
  MUST(stage.kernel().processes().spawn(box_spec(busy, {"/bin/vzload", "cpu"})));
  MUST(stage.kernel().processes().spawn(box_spec(modest, {"/bin/vzload", "cpu", "--percent", "45"})));
  MUST(stage.kernel().clock().sleep(milliseconds(300)));
  const Duration busy_before = sample(stage, busy).cpu.usage;
  const Duration modest_before = sample(stage, modest).cpu.usage;
  MUST(stage.kernel().clock().sleep(seconds(2)));
  const Duration had = sample(stage, modest).cpu.usage - modest_before;
  const double part = ratio(had, had + (sample(stage, busy).cpu.usage - busy_before));
  BOOST_CHECK_MESSAGE(part > 0.43 && part < 0.56, "45 % were wanted, half is fair, " << part << " it got");
}

CASE(shares_that_nobody_else_wants_are_used) {
  Cgroups& cgroups = stage.kernel().cgroups();
  const Box box = MUST(make_box(stage, "c1"));
  NEEDS(stage, cpu_shares, cgroups.set_cpu_shares(box.group, {512}));
  const Box idle = MUST(start_box(stage, "c2"));
  MUST(cgroups.set_cpu_shares(box.group, {512}));
  MUST(cgroups.set_cpu_shares(idle.group, {262'144}));
  MUST(stage.kernel().processes().spawn(box_spec(box, {"/bin/vzload", "cpu"})));
  BOOST_CHECK(cpu_in(stage, box, milliseconds(500)) > milliseconds(100));
}

CASE(a_cpuset_confines) {
  Cgroups& cgroups = stage.kernel().cgroups();
  const Box box = MUST(make_box(stage, "c1"));
  NEEDS(stage, cpuset, cgroups.set_cpus(box.group, first_cpu(stage)));
  MUST(cgroups.set_cpus(box.group, first_cpu(stage)));
  const ProcessRef init = MUST(
      stage.kernel().processes().spawn(box_spec(box, {"/bin/vzload", "cpu", "--threads", "2"})));
  Box running = box;
  running.init = init;
  BOOST_CHECK_EQUAL(MUST(shell_output(stage, running, "nproc")), "1");
  Clock& clock = stage.kernel().clock();
  const Instant begin = clock.now();
  const Duration used = cpu_in(stage, box, milliseconds(500));
  BOOST_CHECK(used <= (clock.now() - begin) + milliseconds(50));
}

CASE(the_memory_limit_kills_the_one_that_grows) {
  Cgroups& cgroups = stage.kernel().cgroups();
  const Box box = MUST(start_box(stage, "c1"));
  const MemoryLimit limit{{32 << 20}, {0}};
  NEEDS(stage, memory_limit, cgroups.set_memory(box.group, limit));
  MUST(cgroups.set_memory(box.group, limit));
  const ExecOutcome outcome = MUST(stage.kernel().processes().exec(
      box.init, command({"/bin/vzload", "memory", "--grow", "200M"}, {})));
  BOOST_CHECK(outcome.status.signaled);
  BOOST_CHECK_EQUAL(outcome.status.shell_code(), 137);
  const CgroupSample after = sample(stage, box);
  BOOST_CHECK(after.memory.oom_kills >= 1);
  BOOST_CHECK(after.memory.peak <= limit.memory);
  BOOST_CHECK(MUST(stage.kernel().processes().alive(box.init)));
}

CASE(memory_below_the_limit_is_given) {
  Cgroups& cgroups = stage.kernel().cgroups();
  const Box box = MUST(start_box(stage, "c1"));
  const MemoryLimit limit{{128 << 20}, {0}};
  NEEDS(stage, memory_limit, cgroups.set_memory(box.group, limit));
  MUST(cgroups.set_memory(box.group, limit));
  MUST(shell_output(stage, box, "vzload memory --grow 40M"));
  const CgroupSample after = sample(stage, box);
  BOOST_CHECK(after.memory.peak.value >= 40 << 20);
  BOOST_CHECK_EQUAL(after.memory.oom_kills, 0);
}

CASE(memory_in_use_is_anonymous) {
  const Box box =
      MUST(start_box(stage, "c1", {"/bin/vzload", "memory", "--grow", "20M", "--hold", "1000"}));
  BOOST_CHECK(eventually(stage, seconds(10),
                         [&] { return sample(stage, box).memory.anonymous.value >= 20 << 20; }));
  BOOST_CHECK(sample(stage, box).memory.usage >= sample(stage, box).memory.anonymous);
}

CASE(a_memory_limit_below_what_cannot_be_reclaimed_is_busy) {
  Cgroups& cgroups = stage.kernel().cgroups();
  const Box box =
      MUST(start_box(stage, "c1", {"/bin/vzload", "memory", "--grow", "40M", "--hold", "1000"}));
  NEEDS(stage, memory_limit, cgroups.set_memory(box.group, {{256 << 20}, {0}}));
  BOOST_REQUIRE(eventually(stage, seconds(10),
                           [&] { return sample(stage, box).memory.anonymous.value >= 40 << 20; }));
  MUST(cgroups.set_memory(box.group, {{256 << 20}, {0}}));
  REFUSED(cgroups.set_memory(box.group, {{8 << 20}, {0}}), busy);
  BOOST_CHECK(MUST(stage.kernel().processes().alive(box.init)));
}

CASE(the_pids_limit_refuses_another_process) {
  Cgroups& cgroups = stage.kernel().cgroups();
  const Box box = MUST(start_box(stage, "c1"));
  NEEDS(stage, pids_limit, cgroups.set_pids(box.group, 4));
  MUST(cgroups.set_pids(box.group, 4));
  const ExecOutcome outcome = MUST(shell(
      stage, box, "sleep 9 & sleep 9 & sleep 9 & sleep 9 & sleep 9 & sleep 9 & echo all started"));
  BOOST_CHECK_MESSAGE(outcome.out.find("all started") == std::string::npos || !outcome.err.empty(),
                      "no fork was refused");
  const CgroupSample after = sample(stage, box);
  BOOST_CHECK(after.pids <= 4);
  BOOST_CHECK(after.pids_limit_hits >= 1);
}

CASE(the_pids_limit_holds_for_exec) {
  Cgroups& cgroups = stage.kernel().cgroups();
  const Box box = MUST(start_box(stage, "c1"));
  NEEDS(stage, pids_limit, cgroups.set_pids(box.group, 1));
  MUST(cgroups.set_pids(box.group, 1));
  REFUSED(stage.kernel().processes().exec(box.init, command({"/bin/true"})), limit_exceeded);
  MUST(cgroups.set_pids(box.group, kUnlimited));
  BOOST_CHECK(
      MUST(stage.kernel().processes().exec(box.init, command({"/bin/true"}))).status.success());
}

CASE(frozen_programs_make_no_progress) {
  Cgroups& cgroups = stage.kernel().cgroups();
  const Box box = MUST(start_box(stage, "c1", {"/bin/vzload", "cpu"}));
  NEEDS(stage, freezer, cgroups.freeze(box.group));
  BOOST_CHECK(MUST(cgroups.freeze_state(box.group)) == FreezeState::thawed);
  MUST(cgroups.freeze(box.group));
  BOOST_CHECK(eventually(stage, seconds(10), [&] {
    return MUST(cgroups.freeze_state(box.group)) == FreezeState::frozen;
  }));
  BOOST_CHECK(cpu_in(stage, box, milliseconds(300)) <= milliseconds(20));
  BOOST_CHECK(MUST(stage.kernel().processes().alive(box.init)));
  MUST(cgroups.thaw(box.group));
  BOOST_CHECK(eventually(stage, seconds(10), [&] {
    return MUST(cgroups.freeze_state(box.group)) == FreezeState::thawed;
  }));
  BOOST_CHECK(cpu_in(stage, box, milliseconds(500)) > milliseconds(50));
}

CASE(freeze_and_thaw_can_be_repeated) {
  Cgroups& cgroups = stage.kernel().cgroups();
  const Box box = MUST(start_box(stage, "c1"));
  NEEDS(stage, freezer, cgroups.freeze(box.group));
  MUST(cgroups.thaw(box.group));
  MUST(cgroups.freeze(box.group));
  MUST(cgroups.freeze(box.group));
  MUST(cgroups.thaw(box.group));
  MUST(cgroups.thaw(box.group));
  BOOST_CHECK(eventually(stage, seconds(10), [&] {
    return MUST(cgroups.freeze_state(box.group)) == FreezeState::thawed;
  }));
}

CASE(device_rules_refuse_what_is_not_listed) {
  Cgroups& cgroups = stage.kernel().cgroups();
  const Box box = MUST(start_box(stage, "c1"));
  const DeviceRule null{'c', 1, 3, true, true, false};
  const DeviceRule zero{'c', 1, 5, true, true, false};
  NEEDS(stage, device_rules, cgroups.set_devices(box.group, {null, zero}));
  const std::string script = "dd if=/dev/zero of=/dev/null bs=10 count=1 2>/dev/null";
  MUST(cgroups.set_devices(box.group, {null, zero}));
  MUST(shell_output(stage, box, script));
  MUST(cgroups.set_devices(box.group, {null}));
  BOOST_CHECK(!MUST(shell(stage, box, script)).status.success());
  MUST(shell_output(stage, box, "echo x > /dev/null"));
  MUST(cgroups.set_devices(box.group, {null, zero}));
  MUST(shell_output(stage, box, script));
}

CASE(device_rules_tell_reading_from_writing) {
  Cgroups& cgroups = stage.kernel().cgroups();
  const Box box = MUST(start_box(stage, "c1"));
  const DeviceRule read_only{'c', 1, 3, true, false, false};
  NEEDS(stage, device_rules, cgroups.set_devices(box.group, {read_only}));
  MUST(cgroups.set_devices(box.group, {read_only}));
  MUST(shell_output(stage, box, "cat /dev/null"));
  BOOST_CHECK(!MUST(shell(stage, box, "echo x > /dev/null")).status.success());
}

CASE(a_group_counts_what_its_children_used) {
  Cgroups& cgroups = stage.kernel().cgroups();
  MUST(cgroups.create({"outer"}));
  MUST(cgroups.create({"outer/inner"}));
  const Box root = MUST(make_root(stage, "c1"));
  SpawnSpec spec = box_spec(root, {"/bin/vzload", "cpu"});
  spec.cgroup = {"outer/inner"};
  MUST(stage.kernel().processes().spawn(spec));
  MUST(stage.kernel().clock().sleep(milliseconds(500)));
  const Duration inner = MUST(cgroups.sample({"outer/inner"})).cpu.usage;
  const Duration outer = MUST(cgroups.sample({"outer"})).cpu.usage;
  BOOST_CHECK(inner >= milliseconds(100));
  BOOST_CHECK(outer >= inner);
}

}  // namespace

Area limits_area() {
  return {"limits", cases()};
}

}  // namespace twinhull::contract
