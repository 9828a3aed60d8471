// vz on a simulated node: what it says, and that a cut at any of its calls loses nobody.
#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "runtime/kernel/decorators/fault_injector.h"
#include "tools/vzcfg/tools_node.h"

namespace twinhull::tools {
namespace {

/// 101 is suspended at a shutdown and 102 stopped, 103 is down on purpose.
struct Node : ToolsNode {
  Node() {
    for (const char* id : {"101", "102", "103"}) {
      done(std::string("vzctl create ") + id + " --ostemplate busybox");
      done(std::string("vzctl set ") + id + " --onboot auto --autostop stop --save");
    }
    done("vzctl set 101 --autostop suspend --bootorder 7 --name web --save");
    done("vzctl start 101 --wait");
    done("vzctl start 102 --wait");
  }
};

std::string statuses(SimulatedNode& node) {
  std::string all;
  for (const char* id : {"101", "102", "103"}) {
    std::string line = node.vzctl(std::string("status ") + id).out;
    all += line.substr(line.find("exist"));
  }
  return all;
}

const std::string kUp = "exist mounted running\nexist mounted running\nexist unmounted down\n";

enum class Cut : std::uint8_t { power_before, power_after, kill };

/// kill -9 at the n-th call.
class Killer final : public CallObserver {
 public:
  Killer(sim::World& world, std::uint64_t nth) : world_(world), nth_(nth) {}
  std::optional<Error> before(const Call& call) override {
    if (++seen_ != nth_) return std::nullopt;
    hit = std::string(call.name) + " " + std::string(call.object);
    BOOST_REQUIRE(world_.kill(command));
    return fail(ErrorCode::node_down, call.name, call.object, "the command was killed");
  }
  std::optional<Error> after(const Call&, const CallOutcome&) override { return std::nullopt; }
  std::string hit;
  sim::CommandId command = 0;

 private:
  sim::World& world_;
  std::uint64_t nth_;
  std::uint64_t seen_ = 0;
};

sim::CommandId begin(SimulatedNode& node, const std::vector<std::string>& argv,
                     CallObserver& observer) {
  return node.world()
      .start("n1", "vz",
             [&](Kernel& kernel) {
               const auto watched = intercept(kernel, observer);
               CapturedConsole console;
               Session session{*watched, node.layout, console};
               return find_command(argv[0])(session, argv);
             })
      .value();
}

/// Runs the command with the cut at its n-th call. Empty when it has fewer calls.
std::string run_cut(SimulatedNode& node, const std::string& line, Cut cut, std::uint64_t nth) {
  const std::vector<std::string> argv = split_words(line);
  if (cut == Cut::kill) {
    Killer killer(node.world(), nth);
    killer.command = begin(node, argv, killer);
    (void)node.world().finish(killer.command, std::chrono::hours(1));
    return killer.hit;
  }
  FaultInjector injector(
      {.power_cut = [&] { BOOST_REQUIRE(node.world().power_off("n1")); }, .delay = {}});
  FaultRule rule;
  rule.nth = nth;
  rule.kind = cut == Cut::power_before ? FaultKind::power_cut_before : FaultKind::power_cut_after;
  BOOST_REQUIRE(injector.add(rule).has_value());
  (void)node.world().finish(begin(node, argv, injector), std::chrono::hours(1));
  const auto hits = injector.hits();
  return hits.empty() ? std::string() : hits.front().name + " " + hits.front().object;
}

/// After a cut anywhere, `vz start` alone brings up those that were up, and nobody else.
void sweep(Node& prepared, const std::string& line, Cut cut) {
  std::uint64_t nth = 1;
  for (;; ++nth) {
    BOOST_REQUIRE_MESSAGE(nth < 2000, "the operation does not end");
    const std::unique_ptr<SimulatedNode> node = prepared.copy();
    const std::string call = run_cut(*node, line, cut, nth);
    if (cut != Cut::kill) node->power_cycle();
    const std::string where = line + " cut at call " + std::to_string(nth) + " " + call;
    CapturedConsole console;
    Session session{node->kernel(), node->layout, console};
    const int code = find_command("vz")(session, std::vector<std::string>{"vz", "start"});
    BOOST_TEST(code == 0, where << ": " << console.out_text << console.error_text);
    const std::string now = statuses(*node);
    BOOST_TEST(now == kUp, where << ": " << now << console.out_text << console.error_text);
    BOOST_TEST(node->inside("102", "echo works") == "works", where);
    if (call.empty()) break;
  }
  BOOST_TEST_MESSAGE(line << ": " << nth - 1 << " calls");
  BOOST_TEST(nth > 50U);
}

BOOST_FIXTURE_TEST_SUITE(vz_service, Node)

BOOST_AUTO_TEST_CASE(a_shutdown_that_is_cut_off_loses_nobody) {
  for (const Cut cut : {Cut::power_before, Cut::power_after, Cut::kill}) sweep(*this, "vz stop", cut);
}

BOOST_AUTO_TEST_CASE(a_start_that_is_cut_off_is_completed_by_the_next) {
  done("vz stop");
  power_cycle();
  for (const Cut cut : {Cut::power_before, Cut::power_after, Cut::kill})
    sweep(*this, "vz start", cut);
}

BOOST_AUTO_TEST_CASE(status_says_what_start_and_stop_would_do) {
  const std::string table = run("vz status").out;
  BOOST_TEST(table ==
             "vz is stopped\n"
             "      CTID STATUS     ONBOOT  BOOTORDER COMES_BACK AT_START  AT_STOP   NAME\n"
             "       101 running    -               7 yes        -         suspend   web\n"
             "       102 running    -               - yes        -         stop      -\n"
             "       103 stopped    -               - no         -         -         -\n");
  BOOST_TEST(run("vz status").code == 3);
  done("vz stop");
  done("vzctl set 102 --disabled yes --save");
  const std::string json = run("vz status -j web").out;
  BOOST_TEST(json ==
             "{\n  \"started\": false,\n  \"enabled\": true,\n  \"containers\": [\n    {\n"
             "      \"ctid\": 101,\n      \"name\": \"web\",\n      \"status\": \"suspended\",\n"
             "      \"onboot\": null,\n      \"bootorder\": 7,\n      \"autostop\": \"suspend\",\n"
             "      \"disabled\": false,\n      \"comes_back\": true,\n      \"at_start\": \"resume\",\n"
             "      \"at_stop\": null,\n      \"trouble\": null\n    }\n  ]\n}\n");
  BOOST_TEST(run("vz status").out.find(" 102 stopped    -               - no         -   ") !=
             std::string::npos);
  BOOST_TEST(done("vz start") == "CT 101: resumed\n");
  BOOST_TEST(run("vz status").code == 0);
  power_cycle();
  BOOST_TEST(run("vz status").code == 3);
}

BOOST_AUTO_TEST_CASE(a_stopped_container_has_no_mark_and_one_whose_onboot_decides_needs_none) {
  BOOST_TEST(exists("/var/lib/vz/up/101"));
  BOOST_TEST(!exists("/var/lib/vz/up/103"));
  done("vzctl stop 101");
  BOOST_TEST(!exists("/var/lib/vz/up/101"));
  done("vzctl suspend 102");
  BOOST_TEST(!exists("/var/lib/vz/up/102"));
  done("vzctl resume 102");
  BOOST_TEST(exists("/var/lib/vz/up/102"));
  done("vzctl set 103 --onboot yes --save");
  done("vzctl start 103");
  BOOST_TEST(!exists("/var/lib/vz/up/103"));
  done("vzctl set 103 --onboot auto --save");
  BOOST_TEST(exists("/var/lib/vz/up/103"));
  done("vz stop");
  done("vzctl destroy 103");
  BOOST_TEST(!exists("/var/lib/vz/up/103"));
  done("vzmlocal 102:202");
  BOOST_TEST(!exists("/var/lib/vz/up/102"));
}

BOOST_AUTO_TEST_CASE(a_full_disk_does_not_keep_a_container_from_starting) {
  FaultInjector injector({.power_cut = {}, .delay = {}});
  FaultRule rule;
  rule.name = "files.write";
  rule.object = "/var/lib/vz/up/103";
  rule.kind = FaultKind::refuse;
  rule.code = ErrorCode::no_space;
  BOOST_REQUIRE(injector.add(rule).has_value());
  const std::vector<std::string> argv = split_words("vzctl start 103");
  BOOST_TEST(world().finish(begin(*this, argv, injector), std::chrono::hours(1)).value() == 0);
  BOOST_TEST(injector.hits().size() == 1U);
  BOOST_TEST(file("/var/log/vzctl.log").value_or("").find(
                 "after a power cut the node will not start it by itself") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_journal_without_text_is_cleared_away) {
  write("/vz/lock/103.journal", "");
  done("vz start");
  BOOST_TEST(!exists("/vz/lock/103.journal"));
  BOOST_TEST(!exists("/vz/lock/103.journal.corrupt"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::tools
