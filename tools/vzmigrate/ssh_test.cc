// Migrations over a real ssh to a real sshd, by key: as root and through vzmpipe (spec F3.13,
// F3.17).
#include <fmt/format.h>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>

#include "backends/linux/run_tool.h"
#include "backends/linux/testing/lan.h"
#include "backends/linux/testing/ssh_host.h"
#include "runtime/migrate/ssh_options.h"
#include "runtime/node/journal.h"
#include "tools/common/child_process.h"
#include "tools/common/node_setup.h"

using namespace twinhull;
using namespace twinhull::linux_backend;
using namespace twinhull::linux_backend::testing;

namespace {

namespace fs = std::filesystem;

constexpr const char* kBin = TWINHULL_BIN;
constexpr const char* kThere = "10.255.0.2";

template <typename T>
T must(Result<T> result) {
  BOOST_REQUIRE_MESSAGE(result, (result ? "" : result.error().message()));
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

struct Fixture {
  Fixture() {
    for (auto [node, name] : {std::pair{&here, "n1"}, std::pair{&there, "n2"}}) {
      *node = must(TestNode::make(name));
      must(tools::set_up_node((*node)->kernel(), Layout{(*node)->root()}));
      must((*node)->install_busybox());
      describe(**node);
    }
    lan = must(Lan::make({here.get(), there.get()}));
    door = must(SshHost::start(*there, {kThere, kBin, file_of(*there)}));
    must(here->enter());
  }
  ~Fixture() {
    door.reset();
    lan.reset();
    for (auto* node : {&there, &here}) {
      const Status entered = (*node)->enter();
      BOOST_TEST(entered.has_value());
      node->reset();
    }
  }

  static std::string file_of(const TestNode& node) { return node.directory() + "/node.json"; }
  static void describe(const TestNode& node) {
    const NodeOptions& options = node.node_options();
    std::ofstream(file_of(node)) << fmt::format(
        R"({{"name": "{}", "layout_root": "{}", "run_directory": "{}", "cgroup_prefix": "{}",
"network_namespace": "{}"}})",
        options.name, node.root(), options.run_directory, options.cgroup_prefix,
        options.network_namespace);
  }

  /// A program of the source.
  ToolOutcome run(const std::string& program, std::vector<std::string> words) {
    std::vector<std::string> argv{std::string(kBin) + "/" + program, "--backend", "linux", "--node",
                                  file_of(*here)};
    argv.insert(argv.end(), words.begin(), words.end());
    return must(run_tool(argv, "test"));
  }
  ToolOutcome migrate(const std::string& ssh, std::vector<std::string> words) {
    words.insert(words.begin(), "--ssh=" + ssh);
    return run("vzmigrate", std::move(words));
  }
  /// A command that ssh's own client starts at the destination.
  ToolOutcome ssh(const std::string& user, const std::string& key, const std::string& command,
                  const std::string& input = "/dev/null") {
    return must(run_tool({"sh", "-c",
                          fmt::format("exec ssh -oBatchMode=yes {} {}@{} '{}' <{}",
                                      door->options(key), user, kThere, command, input)},
                         "test"));
  }
  void let_in(const std::string& account) {
    const auto set =
        ssh("root", "root_key", "vzmsetkey --user " + account, door->file("agent_key.pub"));
    BOOST_TEST(set.exit_code == 0, set.output);
  }
  void create(const std::string& id) {
    const auto made = run("vzctl", {"create", id, "--ostemplate", "busybox", "--ipadd",
                                    "10.78.1." + id, "--hostname", "mover" + id});
    BOOST_TEST(made.exit_code == 0, made.output);
  }
  static void ended(const ToolOutcome& outcome, int code, const std::string& part) {
    BOOST_TEST(outcome.exit_code == code, outcome.output);
    BOOST_TEST(outcome.output.find(part) != std::string::npos, outcome.output);
  }
  /// Where the container is, and in what state.
  void lives_there(const std::string& id, const std::string& state) {
    ended(ssh("root", "root_key", "vzctl status " + id), 0, state);
    ended(run("vzctl", {"status", id}), 0, "deleted");
  }
  void lives_here(const std::string& id) {
    ended(run("vzctl", {"status", id}), 0, "exist");
    ended(ssh("root", "root_key", "vzctl status " + id), 0, "deleted");
  }

  std::unique_ptr<TestNode> here, there;
  std::unique_ptr<Lan> lan;
  std::unique_ptr<SshHost> door;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(over_ssh, Fixture)

BOOST_AUTO_TEST_CASE(root_moves_containers_with_a_key) {
  create("101");
  ended(run("vzctl", {"start", "101", "--wait"}), 0, "");
  ended(run("vzctl", {"exec", "101", "echo three suitcases > /luggage"}), 0, "");
  ended(migrate(door->options("root_key"), {kThere, "101"}), 0, "has moved to");
  lives_there("101", "running");
  ended(ssh("root", "root_key", "vzctl exec 101 cat /luggage"), 0, "three suitcases");
  create("102");
  ended(migrate(door->options("root_key"), {std::string("root@") + kThere, "102:202"}), 0, "");
  ended(ssh("root", "root_key", "vzctl status 202"), 0, "down");
  ended(ssh("root", "root_key", "vzctl stop 101 --fast"), 0, "");
}

BOOST_AUTO_TEST_CASE(processes_go_over_ssh_too) {
  create("101");
  ended(run("vzctl", {"start", "101", "--wait"}), 0, "");
  ended(run("vzctl", {"exec", "101",
                      "sh -c 'n=0; while true; do n=$((n+1)); echo $n >/count; sleep 0.2; "
                      "done' >/dev/null 2>&1 & echo $! >/pid"}),
        0, "");
  ended(run("vzctl", {"exec", "101", "kill -0 $(cat /pid) && echo alive"}), 0, "alive");
  ended(migrate(door->options("root_key"), {"--online", "-t", kThere, "101"}), 0, "down in total");
  lives_there("101", "running");
  ended(ssh("root", "root_key", R"(vzctl exec 101 "kill -0 \$(cat /pid) && echo alive")"), 0,
        "alive");
  ended(ssh("root", "root_key", "vzctl stop 101 --fast"), 0, "");
}

BOOST_AUTO_TEST_CASE(any_command_asks_what_became_of_a_migration) {
  create("101");
  // As a source leaves it whose connection broke at the commit.
  Intent open;
  open.operation = "migrate";
  open.facts = {{"host", kThere},   {"user", "root"},    {"ctid", "101"}, {"token", "101-boot-1"},
                {"asked", "yes"}, {"online", "no"}};
  const auto options = must(migrate::parse_ssh_options(door->options("root_key")));
  open.facts["ssh"] = migrate::ssh_options_fact(options);
  must(write_intent(here->kernel(), *here / "/vz/lock/101.journal", open));
  ended(run("vzctl", {"mount", "101"}), 0, "did not move to");
  BOOST_TEST(!fs::exists(*here / "/vz/lock/101.journal"));
  lives_here("101");
}

BOOST_AUTO_TEST_CASE(a_connection_that_breaks_leaves_the_container_here) {
  create("101");
  ended(run("vzctl", {"start", "101", "--wait"}), 0, "");
  ended(run("vzctl", {"exec", "101", "dd if=/dev/urandom of=/data bs=1M count=24"}), 0, "");
  auto move = must(tools::ChildProcess::start(
      {std::string(kBin) + "/vzmigrate", "--backend", "linux", "--node", file_of(*here),
       "--ssh=" + door->options("root_key"), "--rate", "4M", kThere, "101"},
      {}, ""));
  const auto copying = [&] { return fs::exists(*there / "/vz/private/101/fs/data"); };
  for (int tries = 0; tries < 300 && !copying() && !move.poll(std::chrono::milliseconds(50));
       ++tries) {
  }
  BOOST_TEST(copying(), move.error());
  // sshd and its sessions die, as if that node had.
  door.reset();
  const int code = move.poll(std::chrono::seconds(60)).value_or(-1);
  BOOST_TEST(code == 21, "it ended with " << code << ": " << move.error());
  ended(run("vzctl", {"status", "101"}), 0, "running");
  must(there->enter());
  door = must(SshHost::start(*there, {kThere, kBin, file_of(*there)}));
  must(here->enter());
  ended(migrate(door->options("root_key"), {kThere, "101"}), 0, "has moved to");
  lives_there("101", "running");
  ended(ssh("root", "root_key", "vzctl stop 101 --fast"), 0, "");
}

BOOST_AUTO_TEST_CASE(an_account_without_rights_takes_them_in_through_vzmpipe) {
  create("101");
  const std::string agent = std::string("vzagent@") + kThere;
  ended(migrate(door->options("agent_key"), {agent, "101"}), 4, "vzmsetkey");
  let_in("vzagent");
  ended(migrate(door->options("agent_key"), {agent, "101"}), 0, "has moved to");
  lives_there("101", "down");
  create("102");
  ended(run("vzctl", {"start", "102", "--wait"}), 0, "");
  ended(migrate(door->options("agent_key"), {agent, "102"}), 0, "has moved to");
  lives_there("102", "running");
  ended(ssh("root", "root_key", "vzctl stop 102 --fast"), 0, "");
  // Nothing else passes, and a terminal is not to be had.
  ended(ssh("vzagent", "agent_key", "id"), 1, "nothing was run");
  ended(ssh("vzagent", "agent_key", "vzmigrate --serve migrate; id"), 1, "nothing was run");
}

BOOST_AUTO_TEST_CASE(an_account_with_number_0_needs_no_sudo) {
  create("101");
  let_in("vzadmin");
  const std::string admin = std::string("vzadmin@") + kThere;
  ended(migrate(door->options("agent_key"), {admin, "101"}), 0, "has moved to");
  lives_there("101", "down");
  ended(ssh("vzadmin", "agent_key", "id"), 1, "nothing was run");
}

BOOST_AUTO_TEST_CASE(what_keeps_ssh_from_connecting_is_said_with_its_remedy) {
  create("101");
  const auto refused = [&](const std::string& options, const std::string& host,
                           const std::string& reason, const std::string& remedy) {
    const auto outcome = migrate(options, {host, "101"});
    ended(outcome, 4, host + ": the destination cannot be reached, nothing has begun: ");
    ended(outcome, 4, reason);
    ended(outcome, 4, remedy);
    // One message.
    BOOST_TEST(std::ranges::count(outcome.output, '\n') == 1, outcome.output);
    lives_here("101");
  };
  const std::string well = door->options("root_key");
  refused(door->options("other_key"), kThere, "Permission denied", "vzmsetkey");
  refused("-p 2223 " + well, kThere, "Connection refused", "-p PORT");
  refused(well, "10.255.0.99", "No route to host", "host is up");
  refused(well, "no-such-host.invalid", "Could not resolve", "name of the host");
  refused("-oUserKnownHostsFile=/dev/null " + well, kThere, "Host key verification failed",
          "known hosts");
  let_in("vzplain");
  refused(door->options("agent_key"), std::string("vzplain@") + kThere, "sudo: ", "sudoers");
}

BOOST_AUTO_TEST_CASE(on_a_terminal_a_line_shows_how_far_each_is) {
  for (const char* id : {"101", "102"}) {
    create(id);
    ended(run("vzctl", {"mount", id}), 0, "");
    ended(must(run_tool({"dd", "if=/dev/urandom", "bs=1M", "count=48",
                         fmt::format("of={}/data", *here / "/vz/root/" + id)},
                        "test")),
          0, "");
    ended(run("vzctl", {"umount", id}), 0, "");
  }
  // script(1) gives it a terminal.
  const auto shown = must(run_tool(
      {"script", "-qec",
       fmt::format(
           "{}/vzmigrate --backend linux --node {} --ssh=\"{}\" -t --parallel 2 --rate 12M {} "
           "101 102 999",
           kBin, file_of(*here), door->options("root_key"), kThere),
       "/dev/null"},
      "test"));
  ended(shown, 10, "CT 101 has moved to 10.255.0.2: 48.");
  for (const char* part : {"CT 101      files", "CT 102      files", " % ", "MiB/s", "left",
                           "1 more to come", "\x1b[J", "CT 999 failed (exit 10)", "CONTAINER",
                           "1 of 3 containers failed: 999 (exit 10)"})
    BOOST_TEST(shown.output.find(part) != std::string::npos, part << ":\n" << shown.output);
  BOOST_TEST(shown.output.find('\x1f') == std::string::npos);
  lives_there("101", "down");
  lives_there("102", "down");
}

BOOST_AUTO_TEST_CASE(templates_go_the_same_way) {
  const auto copy = [&](const std::string& ssh) {
    return run("vzmtemplate", {"--ssh", ssh, kThere, "busybox"});
  };
  ended(copy(door->options("root_key")), 0, "already");
  ended(copy(door->options("other_key")), 4, "vzmsetkey");
  ended(copy("evil"), 1, "--ssh");
}

BOOST_AUTO_TEST_SUITE_END()
