// What the runtime relies on: Processes, programs that it runs and the inside of containers.
#include "runtime/kernel/contract/checks.h"
#include "runtime/kernel/contract/containers.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/mounts.h"
#include "runtime/kernel/processes.h"

namespace twinhull::contract {
namespace {

std::vector<Case>& cases() {
  static std::vector<Case> list;
  return list;
}

const std::vector<EnvironmentVariable> kPath = {{"PATH", "/sbin:/bin:/usr/sbin:/usr/bin"}};

CASE(exec_hands_back_output_and_exit_code) {
  const Box box = MUST(start_box(stage, "c1"));
  const ExecOutcome outcome = MUST(shell(stage, box, "echo to out; echo to err >&2; exit 7"));
  BOOST_CHECK_EQUAL(outcome.out, "to out\n");
  BOOST_CHECK_EQUAL(outcome.err, "to err\n");
  BOOST_CHECK(!outcome.status.signaled);
  BOOST_CHECK_EQUAL(outcome.status.value, 7);
  BOOST_CHECK_EQUAL(outcome.status.shell_code(), 7);
}

CASE(exec_runs_inside_the_root) {
  const Box box = MUST(start_box(stage, "c1"));
  MUST(stage.kernel().files().write(box.root + "/marker", "from the node"));
  BOOST_CHECK_EQUAL(MUST(shell_output(stage, box, "cat /marker")), "from the node");
  MUST(shell_output(stage, box, "echo from inside > /answer"));
  BOOST_CHECK_EQUAL(MUST(stage.kernel().files().read(box.upper + "/answer")), "from inside\n");
}

// Another project id, or a directory whose files inherit none, would leave the quota of the tree.
CASE(programs_inside_cannot_change_the_attributes_of_files) {
  const Box box = MUST(start_box(stage, "c1"));
  MUST(shell_output(stage, box, "echo x > /file; mkdir /directory"));
  for (const std::string words : {"-p 77 /file", "+A /file", "-P /directory", "+d /directory"})
    BOOST_CHECK_MESSAGE(!MUST(shell(stage, box, "chattr " + words)).status.success(), words);
  BOOST_CHECK_EQUAL(MUST(shell_output(stage, box, "cat /file")), "x");
}

CASE(exec_of_what_does_not_exist_is_127) {
  Processes& processes = stage.kernel().processes();
  const Box box = MUST(start_box(stage, "c1"));
  for (const std::string program : {"/bin/no-such-program", "no-such-program"}) {
    const ExecOutcome outcome = MUST(processes.exec(box.init, command({program}, kPath)));
    BOOST_CHECK(!outcome.status.signaled);
    BOOST_CHECK_EQUAL(outcome.status.value, 127);
  }
}

CASE(exec_of_what_is_no_program_is_126) {
  Processes& processes = stage.kernel().processes();
  const Box box = MUST(start_box(stage, "c1"));
  MUST(stage.kernel().files().write(box.root + "/text", "no program", 0644));
  const ExecOutcome file = MUST(processes.exec(box.init, command({"/text"})));
  BOOST_CHECK_EQUAL(file.status.value, 126);
  const ExecOutcome directory = MUST(processes.exec(box.init, command({"/bin"})));
  BOOST_CHECK_EQUAL(directory.status.value, 126);
}

CASE(exec_looks_in_path) {
  Processes& processes = stage.kernel().processes();
  const Box box = MUST(start_box(stage, "c1"));
  const ExecOutcome found = MUST(processes.exec(box.init, command({"echo", "hi"}, kPath)));
  BOOST_CHECK_EQUAL(found.status.value, 0);
  BOOST_CHECK_EQUAL(found.out, "hi\n");
  const ExecOutcome elsewhere =
      MUST(processes.exec(box.init, command({"echo", "hi"}, {{"PATH", "/nowhere"}})));
  BOOST_CHECK_EQUAL(elsewhere.status.value, 127);
}

CASE(exec_reads_its_input_to_the_end) {
  Processes& processes = stage.kernel().processes();
  const Box box = MUST(start_box(stage, "c1"));
  ExecSpec spec = command({"/bin/cat"}, kPath);
  spec.input = "line 1\nline 2";
  BOOST_CHECK_EQUAL(MUST(processes.exec(box.init, spec)).out, spec.input);
  spec.input = std::string(300'000, 'x');  // more than a pipe holds
  BOOST_CHECK(MUST(processes.exec(box.init, spec)).out == spec.input);
}

CASE(exec_without_input_finds_an_empty_one) {
  const Box box = MUST(start_box(stage, "c1"));
  BOOST_CHECK_EQUAL(MUST(shell_output(stage, box, "cat | wc -c")), "0");
}

CASE(exec_passes_environment_and_directory) {
  Processes& processes = stage.kernel().processes();
  const Box box = MUST(start_box(stage, "c1"));
  ExecSpec spec = command({"/bin/sh", "-c", "echo $GREETING; pwd"}, kPath);
  spec.environment.push_back({"GREETING", "hello world"});
  spec.directory = "/bin";
  BOOST_CHECK_EQUAL(MUST(processes.exec(box.init, spec)).out, "hello world\n/bin\n");
}

CASE(exec_has_only_the_given_environment) {
  Processes& processes = stage.kernel().processes();
  const Box box = MUST(start_box(stage, "c1"));
  const ExecOutcome outcome = MUST(processes.exec(
      box.init, command({"/bin/sh", "-c", "env | sort"}, {{"PATH", "/bin"}, {"ONLY", "this"}})));
  // A shell adds names of its own.
  std::string mine;
  for (std::size_t at = 0; at < outcome.out.size();) {
    const std::size_t end = outcome.out.find('\n', at);
    const std::string line = outcome.out.substr(at, end - at);
    if (!line.starts_with("PWD=") && !line.starts_with("SHLVL=") && !line.starts_with("_="))
      mine += line + ";";
    if (end == std::string::npos) break;
    at = end + 1;
  }
  BOOST_CHECK_EQUAL(mine, "ONLY=this;PATH=/bin;");
}

// What systemd does first in a container that may write its own part of a v2 tree: it makes a group
// for itself, takes everybody along, and hands a controller down. A group that hands down refuses
// members, and one with members hands nothing down. Where a container has no such tree (cgroup v1,
// the simulator, whose containers make no groups), its init makes nothing and just runs. /started
// holds 0 when all went well, and "none" where there is no such tree.
constexpr const char* kMakesGroups =
    "echo none >/state; "
    "if mkdir /sys/fs/cgroup/own 2>/dev/null; then "
    "echo 1 >/sys/fs/cgroup/own/cgroup.procs; "
    "cat /sys/fs/cgroup/cgroup.procs | while read p; do "
    "echo $p >/sys/fs/cgroup/own/cgroup.procs; done; "
    "echo +pids >/sys/fs/cgroup/cgroup.subtree_control; echo $? >/state; fi; "
    "mv /state /started; sleep 1000; exit";

CASE(exec_works_beside_an_init_that_made_groups_of_its_own) {
  const Box box = MUST(start_box(stage, "c1", {"/bin/sh", "-c", kMakesGroups}));
  Cgroups& cgroups = stage.kernel().cgroups();
  BOOST_REQUIRE(eventually(stage, seconds(20), [&] {
    return MUST(shell(stage, box, "cat /started")).status.success();
  }));
  const std::string state = MUST(shell_output(stage, box, "cat /started"));
  BOOST_CHECK(state == "0" || state == "none");
  MUST(shell_output(stage, box, "sleep 1000 >/dev/null 2>&1 &"));
  // Below the container's group like all others: counted, frozen and ended with it.
  const auto members = [&] { return MUST(cgroups.processes(box.group)).size(); };
  BOOST_CHECK(eventually(stage, seconds(10), [&] { return members() == 3; }));
  BOOST_CHECK_EQUAL(MUST(cgroups.sample(box.group)).pids, 3);
  MUST(cgroups.freeze(box.group));
  MUST(cgroups.thaw(box.group));
  BOOST_CHECK_EQUAL(MUST(cgroups.kill_all(box.group)), 3);
  MUST(stage.kernel().processes().wait_gone(box.init, seconds(10)));
  BOOST_CHECK(eventually(stage, seconds(10), [&] { return members() == 0; }));
  BOOST_CHECK(MUST(cgroups.remove(box.group)) == Effect::changed);
}

CASE(exec_does_not_disturb_an_init_that_makes_groups_of_its_own) {
  for (int round = 0; round < 5; ++round) {
    const std::string name = "c" + std::to_string(round);
    const Box box = MUST(start_box(stage, name, {"/bin/sh", "-c", kMakesGroups}));
    bool started = false;
    BOOST_CHECK(eventually(stage, seconds(20), [&] {
      // Each must run, whatever the init is at.
      const ExecOutcome outcome = MUST(shell(stage, box, "cat /started || exit 3"));
      started = outcome.status.success();
      BOOST_CHECK(started || outcome.status.value == 3);
      if (started) BOOST_CHECK(outcome.out == "0\n" || outcome.out == "none\n");
      return started;
    }));
    MUST(stage.kernel().cgroups().kill_all(box.group));
    MUST(stage.kernel().processes().wait_gone(box.init, seconds(10)));
  }
}

CASE(exec_reports_a_signal) {
  const Box box = MUST(start_box(stage, "c1"));
  const ExecOutcome outcome = MUST(shell(stage, box, "kill -9 $$"));
  BOOST_CHECK(outcome.status.signaled);
  BOOST_CHECK_EQUAL(outcome.status.value, 9);
  BOOST_CHECK_EQUAL(outcome.status.shell_code(), 137);
}

CASE(exec_is_killed_at_its_timeout) {
  Processes& processes = stage.kernel().processes();
  const Box box = MUST(start_box(stage, "c1"));
  ExecSpec spec = command({"/bin/sleep", "77"}, kPath);
  spec.timeout = milliseconds(300);
  const Instant begin = stage.kernel().clock().now();
  REFUSED(processes.exec(box.init, spec), timed_out);
  BOOST_CHECK(stage.kernel().clock().now() - begin < seconds(20));
  BOOST_CHECK(eventually(stage, seconds(10), [&] {
    return MUST(stage.kernel().cgroups().processes(box.group)).size() == 1;
  }));
  BOOST_CHECK(MUST(processes.alive(box.init)));
}

CASE(exec_needs_a_running_container) {
  Processes& processes = stage.kernel().processes();
  const Box box = MUST(start_box(stage, "c1"));
  MUST(processes.signal(box.init, Signal::kill));
  MUST(processes.wait_gone(box.init, seconds(10)));
  REFUSED(processes.exec(box.init, command({"/bin/true"})), not_running);
}

CASE(exec_refuses_an_empty_command) {
  const Box box = MUST(start_box(stage, "c1"));
  REFUSED(stage.kernel().processes().exec(box.init, {}), invalid_argument);
}

CASE(exec_is_accounted_to_the_group) {
  const Box box = MUST(start_box(stage, "c1"));
  const Duration before = MUST(stage.kernel().cgroups().sample(box.group)).cpu.usage;
  MUST(shell_output(stage, box, "vzload cpu --for 1"));
  const Duration after = MUST(stage.kernel().cgroups().sample(box.group)).cpu.usage;
  BOOST_CHECK(after - before >= milliseconds(100));
}

CASE(a_container_sees_its_own_processes_only) {
  const Box box = MUST(start_box(stage, "c1", {"/bin/sleep", "4711"}));
  const Box other = MUST(start_box(stage, "c2", {"/bin/sleep", "4712"}));
  const std::string list = MUST(shell_output(stage, box, "ps"));
  BOOST_CHECK_MESSAGE(list.find("4711") != std::string::npos, list);
  BOOST_CHECK_MESSAGE(list.find("4712") == std::string::npos, list);
}

CASE(a_container_has_its_own_host_name) {
  const std::string before = MUST(stage.kernel().host().info()).hostname;
  const Box one = MUST(start_box(stage, "c1"));
  const Box two = MUST(start_box(stage, "c2"));
  BOOST_CHECK_EQUAL(MUST(shell_output(stage, one, "hostname")), "c1");
  BOOST_CHECK_EQUAL(MUST(shell_output(stage, two, "hostname")), "c2");
  BOOST_CHECK_EQUAL(MUST(stage.kernel().host().info()).hostname, before);
}

CASE(a_container_has_the_standard_devices) {
  const Box box = MUST(start_box(stage, "c1"));
  MUST(shell_output(stage, box, "echo gone > /dev/null"));
  BOOST_CHECK_EQUAL(MUST(shell_output(stage, box, "cat /dev/null | wc -c")), "0");
  BOOST_CHECK_EQUAL(
      MUST(shell_output(stage, box, "dd if=/dev/zero bs=100 count=1 2>/dev/null | wc -c")), "100");
}

// It cannot reach the node through what it mounts.
CASE(a_container_does_not_see_the_nodes_files) {
  const Box box = MUST(start_box(stage, "c1"));
  MUST(stage.kernel().files().write(stage.scratch() + "/secret", "x"));
  const ExecOutcome outcome = MUST(shell(stage, box, "cat " + stage.scratch() + "/secret"));
  BOOST_CHECK(!outcome.status.success());
}

CASE(init_output_goes_to_the_console_log) {
  const Box box = MUST(make_box(stage, "c1"));
  SpawnSpec spec = box_spec(box, {"/bin/sh", "-c", "echo booted; sleep 1000"});
  spec.console_log = "/console.log";
  MUST(stage.kernel().processes().spawn(spec));
  BOOST_CHECK(eventually(stage, seconds(10), [&] {
    const auto text = stage.kernel().files().read_inside(box.root, "/console.log");
    return text && *text == "booted\n";
  }));
}

CASE(run_executes_on_the_node) {
  Processes& processes = stage.kernel().processes();
  const std::string path = stage.scratch() + "/made";
  const ExecOutcome outcome = MUST(processes.run(
      command({"/bin/sh", "-c", "echo from a script > " + path + "; echo done; exit 4"}, kPath)));
  BOOST_CHECK_EQUAL(outcome.status.value, 4);
  BOOST_CHECK_EQUAL(outcome.out, "done\n");
  BOOST_CHECK_EQUAL(MUST(stage.kernel().files().read(path)), "from a script\n");
}

CASE(run_executes_a_script_file) {
  Processes& processes = stage.kernel().processes();
  const std::string path = stage.scratch() + "/action";
  MUST(stage.kernel().files().write(path, "#!/bin/sh\necho \"$1 $VEID\"\nexit 5\n", 0755));
  const ExecOutcome outcome = MUST(processes.run(command({path, "argument"}, {{"VEID", "101"}})));
  BOOST_CHECK_EQUAL(outcome.out, "argument 101\n");
  BOOST_CHECK_EQUAL(outcome.status.value, 5);
}

CASE(run_has_the_same_outcomes_as_exec) {
  Processes& processes = stage.kernel().processes();
  const std::string path = stage.scratch() + "/text";
  MUST(stage.kernel().files().write(path, "no program", 0644));
  BOOST_CHECK_EQUAL(MUST(processes.run(command({stage.scratch() + "/no"}))).status.value, 127);
  BOOST_CHECK_EQUAL(MUST(processes.run(command({path}))).status.value, 126);
  REFUSED(processes.run({}), invalid_argument);
  ExecSpec spec = command({"/bin/sleep", "78"}, kPath);
  spec.timeout = milliseconds(200);
  REFUSED(processes.run(spec), timed_out);
}

CASE(run_in_root_sees_the_root_as_slash) {
  Processes& processes = stage.kernel().processes();
  const Box box = MUST(make_root(stage, "c1"));
  const ExecOutcome outcome = MUST(processes.run_in_root(
      box.root, command({"/bin/sh", "-c", "echo mine > /etc-made; cat /etc-made; exit 2"}, kPath)));
  BOOST_CHECK_EQUAL(outcome.out, "mine\n");
  BOOST_CHECK_EQUAL(outcome.status.value, 2);
  BOOST_CHECK_EQUAL(MUST(stage.kernel().files().read(box.upper + "/etc-made")), "mine\n");
  BOOST_CHECK(MUST(processes.list()).empty());
}

CASE(run_in_root_leaves_nothing_running) {
  Processes& processes = stage.kernel().processes();
  const Box box = MUST(make_root(stage, "c1"));
  MUST(processes.run_in_root(
      box.root, command({"/bin/sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo started"}, kPath)));
  CHANGED(stage.kernel().mounts().unmount(box.root));
}

CASE(run_in_root_has_the_same_outcomes_as_exec) {
  Processes& processes = stage.kernel().processes();
  const Box box = MUST(make_root(stage, "c1"));
  BOOST_CHECK_EQUAL(MUST(processes.run_in_root(box.root, command({"/no"}))).status.value, 127);
  BOOST_CHECK_EQUAL(MUST(processes.run_in_root(box.root, command({"/bin"}))).status.value, 126);
  REFUSED(processes.run_in_root(stage.scratch() + "/no", command({"/bin/true"})), not_found);
  REFUSED(processes.run_in_root(box.root, {}), invalid_argument);
}

}  // namespace

Area programs_area() {
  return {"programs", cases()};
}

}  // namespace twinhull::contract
