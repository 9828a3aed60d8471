// What the runtime relies on: Processes, their life and identity.
#include <algorithm>

#include "runtime/kernel/contract/checks.h"
#include "runtime/kernel/contract/containers.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/processes.h"

namespace twinhull::contract {
namespace {

std::vector<Case>& cases() {
  static std::vector<Case> list;
  return list;
}

void kill_and_wait(ContractStage& stage, ProcessRef process) {
  MUST(stage.kernel().processes().signal(process, Signal::kill));
  MUST(stage.kernel().processes().wait_gone(process, seconds(10)));
}

CASE(spawn_starts_an_init_that_is_found_by_label) {
  Processes& processes = stage.kernel().processes();
  BOOST_CHECK(!MUST(processes.find("c1")).has_value());
  const Box box = MUST(start_box(stage, "c1"));
  BOOST_CHECK(box.init.pid > 0);
  BOOST_CHECK(MUST(processes.alive(box.init)));
  BOOST_CHECK(MUST(processes.find("c1")) == box.init);
}

CASE(list_holds_all_inits_by_label) {
  Processes& processes = stage.kernel().processes();
  BOOST_CHECK(MUST(processes.list()).empty());
  const Box second = MUST(start_box(stage, "c2"));
  const Box first = MUST(start_box(stage, "c1"));
  const auto inits = MUST(processes.list());
  BOOST_REQUIRE_EQUAL(inits.size(), 2);
  BOOST_CHECK_EQUAL(inits[0].label, "c1");
  BOOST_CHECK(inits[0].init == first.init);
  BOOST_CHECK_EQUAL(inits[1].label, "c2");
  BOOST_CHECK(inits[1].init == second.init);
}

CASE(a_label_is_used_once_at_a_time) {
  Processes& processes = stage.kernel().processes();
  const Box box = MUST(start_box(stage, "c1"));
  REFUSED(processes.spawn(box_spec(box, {"/bin/sleep", "1000"})), already_running);
  BOOST_CHECK(MUST(processes.find("c1")) == box.init);
  kill_and_wait(stage, box.init);
  const ProcessRef again = MUST(processes.spawn(box_spec(box, {"/bin/sleep", "1000"})));
  BOOST_CHECK(!(again == box.init));
  BOOST_CHECK(MUST(processes.find("c1")) == again);
}

CASE(two_nodes_have_labels_of_their_own) {
  const Box box = MUST(start_box(stage, "c1"));
  BOOST_CHECK(!MUST(stage.peer().processes().find("c1")).has_value());
  BOOST_CHECK(MUST(stage.peer().processes().list()).empty());
}

CASE(spawn_refuses_values_that_are_none) {
  Processes& processes = stage.kernel().processes();
  const Box box = MUST(make_box(stage, "c1"));
  SpawnSpec spec = box_spec(box, {"/bin/sleep", "1000"});
  for (const std::string& label :
       {std::string(), std::string("a/b"), std::string("a b"), std::string(65, 'x')}) {
    spec.label = label;
    REFUSED(processes.spawn(spec), invalid_argument);
  }
  spec = box_spec(box, {});
  REFUSED(processes.spawn(spec), invalid_argument);
  BOOST_CHECK(MUST(processes.list()).empty());
}

CASE(spawn_needs_root_program_and_group) {
  Processes& processes = stage.kernel().processes();
  const Box box = MUST(make_box(stage, "c1"));
  SpawnSpec spec = box_spec(box, {"/bin/no-such-program"});
  REFUSED(processes.spawn(spec), not_found);
  spec = box_spec(box, {"/bin/sleep", "1000"});
  spec.root = stage.scratch() + "/no";
  REFUSED(processes.spawn(spec), not_found);
  spec = box_spec(box, {"/bin/sleep", "1000"});
  spec.cgroup = {"no-such-group"};
  REFUSED(processes.spawn(spec), not_found);
  BOOST_CHECK(MUST(processes.list()).empty());
  BOOST_CHECK(MUST(stage.kernel().cgroups().processes(box.group)).empty());
}

CASE(spawn_refuses_a_program_that_cannot_be_executed) {
  const Box box = MUST(make_box(stage, "c1"));
  MUST(stage.kernel().files().write(box.root + "/text", "no program", 0644));
  REFUSED(stage.kernel().processes().spawn(box_spec(box, {"/text"})), not_permitted);
  BOOST_CHECK(MUST(stage.kernel().processes().list()).empty());
}

CASE(init_is_in_its_group_from_the_start) {
  const Box box = MUST(start_box(stage, "c1"));
  const auto inside = MUST(stage.kernel().cgroups().processes(box.group));
  BOOST_REQUIRE_EQUAL(inside.size(), 1);
  BOOST_CHECK(inside[0] == box.init);
}

CASE(an_init_that_ends_is_gone) {
  Processes& processes = stage.kernel().processes();
  const Box box = MUST(start_box(stage, "c1", {"/bin/sh", "-c", "sleep 0.2; exit 3"}));
  MUST(processes.wait_gone(box.init, seconds(20)));
  BOOST_CHECK(!MUST(processes.alive(box.init)));
  BOOST_CHECK(!MUST(processes.find("c1")).has_value());
  BOOST_CHECK(MUST(processes.list()).empty());
}

CASE(the_container_ends_with_its_init) {
  Processes& processes = stage.kernel().processes();
  const Box box =
      MUST(start_box(stage, "c1", {"/bin/sh", "-c", "sleep 1000 & sleep 1001 & sleep 1002; exit"}));
  BOOST_REQUIRE(eventually(stage, seconds(10), [&] {
    return MUST(stage.kernel().cgroups().processes(box.group)).size() == 4;
  }));
  kill_and_wait(stage, box.init);
  BOOST_CHECK(eventually(stage, seconds(10), [&] {
    return MUST(stage.kernel().cgroups().processes(box.group)).empty();
  }));
  BOOST_CHECK(!MUST(processes.alive(box.init)));
}

CASE(kill_ends_an_init) {
  const Box box = MUST(start_box(stage, "c1"));
  CHANGED(stage.kernel().processes().signal(box.init, Signal::kill));
  MUST(stage.kernel().processes().wait_gone(box.init, seconds(10)));
}

// pid_namespaces(7): an init gets only the signals that it has a handler for, kill and stop.
CASE(terminate_does_not_end_an_init_without_a_handler) {
  const Box box = MUST(start_box(stage, "c1"));
  MUST(stage.kernel().processes().signal(box.init, Signal::terminate));
  REFUSED(stage.kernel().processes().wait_gone(box.init, milliseconds(300)), timed_out);
  BOOST_CHECK(MUST(stage.kernel().processes().alive(box.init)));
}

CASE(a_real_init_goes_down_by_poweroff) {
  const Box box = MUST(start_box(stage, "c1", {"/sbin/init"}));
  // Init reads its table first; before that it would not react.
  MUST(stage.kernel().clock().sleep(seconds(1)));
  MUST(shell(stage, box, "poweroff"));
  MUST(stage.kernel().processes().wait_gone(box.init, seconds(60)));
}

CASE(signals_to_the_dead_have_no_effect) {
  const Box box = MUST(start_box(stage, "c1"));
  kill_and_wait(stage, box.init);
  NO_EFFECT(stage.kernel().processes().signal(box.init, Signal::kill));
  NO_EFFECT(stage.kernel().processes().signal(box.init, Signal::terminate));
  MUST(stage.kernel().processes().wait_gone(box.init, Duration(0)));
}

CASE(another_generation_is_another_process) {
  Processes& processes = stage.kernel().processes();
  const Box box = MUST(start_box(stage, "c1"));
  ProcessRef other = box.init;
  ++other.generation;
  BOOST_CHECK(!MUST(processes.alive(other)));
  NO_EFFECT(processes.signal(other, Signal::kill));
  MUST(processes.wait_gone(other, Duration(0)));
  BOOST_CHECK_EQUAL(MUST(processes.command_line(other)), "");
  REFUSED(processes.started_at(other), not_running);
  REFUSED(processes.exec(other, command({"/bin/true"})), not_running);
  BOOST_CHECK(MUST(processes.alive(box.init)));
}

CASE(wait_gone_times_out_after_its_time) {
  const Box box = MUST(start_box(stage, "c1"));
  Clock& clock = stage.kernel().clock();
  const Instant begin = clock.now();
  REFUSED(stage.kernel().processes().wait_gone(box.init, milliseconds(200)), timed_out);
  BOOST_CHECK(clock.now() - begin >= milliseconds(200));
  BOOST_CHECK(clock.now() - begin < seconds(10));
}

CASE(wait_gone_returns_when_the_process_ends) {
  const Box box = MUST(start_box(stage, "c1", {"/bin/sleep", "1"}));
  Clock& clock = stage.kernel().clock();
  const Instant begin = clock.now();
  MUST(stage.kernel().processes().wait_gone(box.init, seconds(60)));
  BOOST_CHECK(clock.now() - begin < seconds(30));
}

CASE(stop_and_resume_hold_an_init) {
  Processes& processes = stage.kernel().processes();
  const Box box = MUST(start_box(
      stage, "c1", {"/bin/sh", "-c", "while true; do echo x >> /ticks; sleep 0.05; done"}));
  const std::string ticks = box.upper + "/ticks";
  const auto size = [&] {
    const auto info = MUST(stage.kernel().files().stat(ticks));
    return info ? info->size.value : 0;
  };
  BOOST_REQUIRE(eventually(stage, seconds(10), [&] { return size() > 0; }));
  CHANGED(processes.signal(box.init, Signal::stop));
  MUST(stage.kernel().clock().sleep(milliseconds(200)));
  const auto held = size();
  MUST(stage.kernel().clock().sleep(milliseconds(300)));
  BOOST_CHECK_EQUAL(size(), held);
  CHANGED(processes.signal(box.init, Signal::resume));
  BOOST_CHECK(eventually(stage, seconds(10), [&] { return size() > held; }));
}

CASE(self_is_alive_and_stays_the_same) {
  Processes& processes = stage.kernel().processes();
  const ProcessRef self = MUST(processes.self());
  BOOST_CHECK(self.pid > 0);
  BOOST_CHECK(self == MUST(processes.self()));
  BOOST_CHECK(MUST(processes.alive(self)));
  BOOST_CHECK(MUST(processes.lookup(self.pid)) == self);
}

CASE(lookup_finds_by_number) {
  Processes& processes = stage.kernel().processes();
  const Box box = MUST(start_box(stage, "c1"));
  BOOST_CHECK(MUST(processes.lookup(box.init.pid)) == box.init);
  kill_and_wait(stage, box.init);
  BOOST_CHECK(!(MUST(processes.lookup(box.init.pid)) == box.init));
  BOOST_CHECK(!MUST(processes.lookup(-1)).has_value());
  BOOST_CHECK(!MUST(processes.lookup(0)).has_value());
}

CASE(command_line_names_the_program_while_it_lives) {
  Processes& processes = stage.kernel().processes();
  const Box box = MUST(start_box(stage, "c1", {"/bin/sleep", "1234"}));
  const std::string line = MUST(processes.command_line(box.init));
  BOOST_CHECK_MESSAGE(line.find("sleep") != std::string::npos, line);
  BOOST_CHECK_MESSAGE(line.find("1234") != std::string::npos, line);
  kill_and_wait(stage, box.init);
  BOOST_CHECK_EQUAL(MUST(processes.command_line(box.init)), "");
}

CASE(started_at_lies_in_the_past_of_this_boot) {
  Processes& processes = stage.kernel().processes();
  Clock& clock = stage.kernel().clock();
  const Instant before = clock.now();
  const Box box = MUST(start_box(stage, "c1"));
  const Instant started = MUST(processes.started_at(box.init));
  // The kernel counts starts in ticks of 10 ms.
  BOOST_CHECK(started + milliseconds(20) >= before);
  BOOST_CHECK(started <= clock.now());
  kill_and_wait(stage, box.init);
  REFUSED(processes.started_at(box.init), not_running);
}

CASE(inits_outlive_the_kernel_object_and_are_seen_by_others) {
  // The label is a fact of the node: whoever opens it finds the same init. Here: asked twice.
  const Box box = MUST(start_box(stage, "c1"));
  const auto first = MUST(stage.kernel().processes().find("c1"));
  const auto second = MUST(stage.kernel().processes().find("c1"));
  BOOST_CHECK(first == second);
  BOOST_CHECK(first == box.init);
}

}  // namespace

Area processes_area() {
  return {"processes", cases()};
}

}  // namespace twinhull::contract
