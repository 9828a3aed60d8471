// Every operation, cut off at every kernel call: by the power, by kill -9, by a refused call.
#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "runtime/kernel/decorators/fault_injector.h"
#include "tools/vzctl/simulated_node.h"

namespace twinhull::tools {
namespace {

/// An operation to be cut off, and what must hold afterwards.
struct Subject {
  std::string name;
  std::vector<std::string> before;  ///< commands that bring the node to the starting point
  std::string command;
  std::vector<std::string> states;  ///< what `status 101` may say once recovery ran
  /// What it says after the uncut operation and a power cut behind it: nothing acknowledged is
  /// lost.
  std::string acknowledged;
};

const std::string kDeleted = "VEID 101 deleted unmounted down\n";
const std::string kStopped = "VEID 101 exist unmounted down\n";
const std::string kMounted = "VEID 101 exist mounted down\n";
const std::string kRunning = "VEID 101 exist mounted running\n";

const std::string kCreate =
    "create 101 --ostemplate busybox --ipadd 10.0.0.2 --hostname one --name first";

/// How the operation is cut off.
enum class Cut : std::uint8_t { power_before, power_after, kill, refuse, lose_report };

std::string to_text(Cut cut) {
  switch (cut) {
    case Cut::power_before: return "power cut before call ";
    case Cut::power_after: return "power cut after call ";
    case Cut::kill: return "kill -9 at call ";
    case Cut::refuse: return "refusal of call ";
    case Cut::lose_report: return "lost report of call ";
  }
  return {};
}

/// kill -9 at the n-th call.
class Killer final : public CallObserver {
 public:
  Killer(sim::World& world, std::uint64_t nth) : world_(world), nth_(nth) {}
  std::optional<Error> before(const Call& call) override {
    if (++seen_ != nth_) return std::nullopt;
    hit_ = std::string(call.name) + " " + std::string(call.object);
    BOOST_REQUIRE(world_.kill(command));
    return fail(ErrorCode::node_down, call.name, call.object, "the command was killed");
  }
  std::optional<Error> after(const Call&, const CallOutcome&) override { return std::nullopt; }
  [[nodiscard]] const std::string& hit() const { return hit_; }
  sim::CommandId command = 0;

 private:
  sim::World& world_;
  std::uint64_t nth_;
  std::uint64_t seen_ = 0;
  std::string hit_;
};

/// Runs the command with the cut at its n-th call. Empty when it has fewer calls.
std::string run_cut(SimulatedNode& node, const Subject& subject, Cut cut, std::uint64_t nth) {
  std::vector<std::string> argv{"vzctl"};
  std::string word;
  for (const char letter : subject.command + " ") {
    if (letter != ' ') {
      word += letter;
    } else if (!word.empty()) {
      argv.push_back(std::move(word));
      word.clear();
    }
  }
  auto console = std::make_shared<CapturedConsole>();
  if (cut == Cut::kill) {
    Killer killer(node.world(), nth);
    killer.command =
        node.start(argv, console, {}, [&](Kernel& inner) { return intercept(inner, killer); });
    (void)node.world().finish(killer.command, std::chrono::hours(1));
    return killer.hit();
  }
  FaultInjector injector(
      {.power_cut = [&] { BOOST_REQUIRE(node.world().power_off("n1")); }, .delay = {}});
  FaultRule rule;
  rule.nth = nth;
  switch (cut) {
    case Cut::power_before: rule.kind = FaultKind::power_cut_before; break;
    case Cut::power_after: rule.kind = FaultKind::power_cut_after; break;
    case Cut::lose_report: rule.kind = FaultKind::lose_report; break;
    default: rule.kind = FaultKind::refuse;
  }
  BOOST_REQUIRE(injector.add(rule).has_value());
  const sim::CommandId command =
      node.start(argv, console, {}, [&](Kernel& inner) { return intercept(inner, injector); });
  (void)node.world().finish(command, std::chrono::hours(1));
  const auto hits = injector.hits();
  return hits.empty() ? std::string() : hits.front().name + " " + hits.front().object;
}

/// The link of a name and the NAME of the configuration say the same.
void check_name(SimulatedNode& node, const std::string& where) {
  const std::string config = node.file("/etc/vz/conf/101.conf").value_or("");
  for (const std::string& name : {std::string("first"), std::string("second")}) {
    const bool named = config.find("NAME=\"" + name + "\"") != std::string::npos &&
                       config.find("HOSTNAME=\"" + name + "\"") == std::string::npos;
    BOOST_TEST(node.exists("/etc/vz/names/" + name) == named, where << ": name " << name);
  }
}

/// After a crash the next command recovers; then the state must be one of those allowed, nothing
/// may be left over, and the container must be usable.
void check_recovered(SimulatedNode& node, const Subject& subject, const std::string& where) {
  // Any command that takes the lock recovers, also one that is then refused.
  const Outcome recovering = node.vzctl("umount 101");
  BOOST_TEST(recovering.code != 92, where << ": " << recovering.text());
  BOOST_TEST(recovering.code != 9, where << ": " << recovering.text());
  const std::string state = node.vzctl("status 101").out;
  bool allowed = state == kMounted && recovering.code == 51;
  for (const std::string& good : subject.states)
    if (state == good || (good == kMounted && state == kStopped)) allowed = true;
  BOOST_TEST(allowed, where << ": " << state);
  BOOST_TEST(node.leaks(state == kRunning) == "", where);
  check_name(node, where);
  if (state == kDeleted) {
    BOOST_TEST(!node.exists("/vz/private/101"), where);
    BOOST_TEST(!node.exists("/etc/vz/names/first"), where);
    const Outcome again = node.vzctl(kCreate);
    BOOST_TEST(again.code == 0, where << ": create again: " << again.text());
  }
  if (state != kRunning) {
    const Outcome start = node.vzctl("start 101");
    BOOST_TEST(start.code == 0, where << ": start: " << start.text());
  }
  BOOST_TEST(node.inside("101", "echo works") == "works", where);
  const Outcome stop = node.vzctl("stop 101 --fast");
  BOOST_TEST(stop.code == 0, where << ": stop: " << stop.text());
  BOOST_TEST(node.leaks() == "", where << ": after all");
}

void sweep(const Subject& subject, Cut cut) {
  SimulatedNode prepared;
  for (const std::string& words : subject.before) {
    const Outcome outcome = prepared.vzctl(words);
    BOOST_REQUIRE_MESSAGE(outcome.code == 0, words << ": " << outcome.text());
  }
  std::uint64_t nth = 1;
  for (;; ++nth) {
    BOOST_REQUIRE_MESSAGE(nth < 1000, "the operation does not end");
    const std::unique_ptr<SimulatedNode> node = prepared.copy();
    const std::string call = run_cut(*node, subject, cut, nth);
    if (call.empty()) {
      node->power_cycle();
      BOOST_TEST(node->vzctl("status 101").out == subject.acknowledged, subject.name);
      check_recovered(*node, subject, subject.name + ", power cut after the end");
      break;
    }
    const std::string where =
        subject.name + ", " + to_text(cut) + std::to_string(nth) + " (" + call + ")";
    if (cut == Cut::power_before || cut == Cut::power_after) node->power_cycle();
    check_recovered(*node, subject, where);
  }
  BOOST_TEST_MESSAGE(subject.name << ": " << nth - 1 << " calls");
  BOOST_TEST(nth > 5U);
}

void sweep_all(const Subject& subject) {
  for (const Cut cut :
       {Cut::power_before, Cut::power_after, Cut::kill, Cut::refuse, Cut::lose_report})
    sweep(subject, cut);
}

BOOST_AUTO_TEST_SUITE(cut_off)

BOOST_AUTO_TEST_CASE(create) {
  sweep_all({"create", {}, kCreate, {kDeleted, kStopped}, kStopped});
}

BOOST_AUTO_TEST_CASE(start) {
  sweep_all({"start", {kCreate}, "start 101", {kStopped, kRunning}, kStopped});
}

BOOST_AUTO_TEST_CASE(stop) {
  sweep_all({"stop", {kCreate, "start 101 --wait"}, "stop 101", {kStopped, kRunning}, kStopped});
}

BOOST_AUTO_TEST_CASE(forced_stop) {
  sweep_all(
      {"stop --fast", {kCreate, "start 101"}, "stop 101 --fast", {kStopped, kRunning}, kStopped});
}

BOOST_AUTO_TEST_CASE(destroy) {
  sweep_all({"destroy", {kCreate}, "destroy 101", {kDeleted, kStopped}, kDeleted});
}

BOOST_AUTO_TEST_CASE(mount) {
  sweep_all({"mount", {kCreate}, "mount 101", {kStopped, kMounted}, kStopped});
}

BOOST_AUTO_TEST_CASE(umount) {
  sweep_all({"umount", {kCreate, "mount 101"}, "umount 101", {kStopped, kMounted}, kStopped});
}

BOOST_AUTO_TEST_CASE(set_on_a_stopped_container) {
  sweep_all({"set",
             {kCreate},
             "set 101 --cpuunits 2000 --name second --hostname two --save",
             {kStopped},
             kStopped});
}

BOOST_AUTO_TEST_CASE(set_on_a_running_container) {
  sweep_all({"set live",
             {kCreate, "start 101 --wait"},
             "set 101 --cpuunits 2000 --ipadd 10.0.0.3 --hostname two --name second --save",
             {kRunning, kStopped},
             kStopped});
}

BOOST_AUTO_TEST_CASE(restart) {
  sweep_all(
      {"restart", {kCreate, "start 101 --wait"}, "restart 101", {kStopped, kRunning}, kStopped});
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::tools
