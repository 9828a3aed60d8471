// A migration cut off at every kernel call of either node: the container is on exactly one node
// afterwards, with its data, and can be used.
#include <boost/test/unit_test.hpp>

#include "runtime/kernel/decorators/fault_injector.h"
#include "tools/vzmigrate/two_nodes.h"

namespace twinhull::tools {
namespace {

constexpr const char* kStandard = "vzmigrate n2 101";
constexpr const char* kOnline = "vzmigrate --online n2 101";

struct Cut {
  std::string node;  ///< whose calls are counted
  FaultKind kind;
  std::string_view word;
  std::string_view command = kStandard;
};

/// Every command on the container recovers first; then it must live on one node only.
void check_one_home(TwoNodes& nodes, std::string_view command, const std::string& where) {
  for (const char* node : {"n1", "n2"}) {
    const CommandEnd end = nodes.run(node, "vzctl umount 101");
    BOOST_TEST(end.code != 92, where << ", " << node << ": " << end.text());
    BOOST_TEST(end.code != 9, where << ", " << node << ": " << end.text());
  }
  std::vector<std::string> homes;
  for (const char* node : {"n1", "n2"}) {
    if (nodes.exists(node, "/etc/vz/conf/101.conf")) homes.emplace_back(node);
    // A receipt may stay, with what was prepared beside it, when the source could not say that it
    // has let go; nothing else may.
    std::string left = nodes.leftovers(node);
    const std::string receipt = left.substr(0, left.find("; "));
    if (receipt.starts_with("/vz/migration/") && !receipt.ends_with(".return")) {
      left.erase(0, receipt.size() + 2);
      const std::string prepared = receipt + ".return; ";
      if (left.starts_with(prepared)) left.erase(0, prepared.size());
    }
    BOOST_TEST(left == "", where << ", " << node);
  }
  BOOST_TEST_REQUIRE(homes.size() == 1U, where);
  const std::string& home = homes[0];
  if (nodes.status(home, "101") != "VEID 101 exist mounted running") {
    const CommandEnd start = nodes.run(home, "vzctl start 101");
    BOOST_TEST(start.code == 0, where << ": start: " << start.text());
  }
  const CommandEnd read = nodes.run(home, "vzctl exec 101 cat /file");
  BOOST_TEST(read.out == "precious\n", where << ": " << read.text());
  if (home == "n1") {
    const CommandEnd again = nodes.run("n1", command);
    BOOST_TEST(again.code == 0, where << ": again: " << again.text());
  }
}

void sweep(const Cut& cut) {
  TwoNodes prepared;
  for (const char* line :
       {"vzctl create 101 --ostemplate busybox --ipadd 10.0.0.2 --name first",
        "vzctl start 101 --wait", "vzctl exec 101 echo precious > /file; sync"}) {
    const CommandEnd end = prepared.run("n1", line);
    BOOST_REQUIRE_MESSAGE(end.code == 0, line << ": " << end.text());
  }
  std::uint64_t nth = 1;
  for (;; ++nth) {
    BOOST_REQUIRE_MESSAGE(nth < 2000, "the migration does not end");
    const auto nodes = prepared.copy();
    FaultInjector injector(
        {.power_cut = [&] { BOOST_REQUIRE(nodes->world().power_off(cut.node).has_value()); },
         .delay = {}});
    FaultRule rule;
    rule.nth = nth;
    rule.kind = cut.kind;
    BOOST_REQUIRE(injector.add(rule).has_value());
    const TwoNodes::Wrap wrap = [&](Kernel& inner) { return intercept(inner, injector); };
    if (cut.node == "n2") nodes->wrap_service(wrap);
    const CommandEnd end =
        nodes->run("n1", cut.command, cut.node == "n1" ? wrap : TwoNodes::Wrap{});
    nodes->world().advance(seconds(120));  // the other end notices
    nodes->wrap_service({});
    const auto hits = injector.hits();
    if (hits.empty()) {
      BOOST_TEST(end.code == 0, end.text());
      break;
    }
    nodes->power_on(cut.node);
    // A lock that cannot be made or removed stays until its owner ends; the simulated service
    // never does. What locks survive is tested with the locks.
    const bool power = cut.kind == FaultKind::power_cut_before ||
                       cut.kind == FaultKind::power_cut_after;
    if (!power && hits.front().object.find(".lck") != std::string::npos) continue;
    check_one_home(*nodes, cut.command,
                   std::string(cut.word) + " at call " + std::to_string(nth) + " of " + cut.node +
                       " (" + hits.front().name + " " + hits.front().object + ", exit " +
                       std::to_string(end.code) + ")");
  }
  BOOST_TEST_MESSAGE(cut.word << " on " << cut.node << ": " << nth - 1 << " calls");
  BOOST_TEST(nth > 20U);
}

BOOST_AUTO_TEST_SUITE(migration_cut_off)

BOOST_AUTO_TEST_CASE(power_of_the_source_before) {
  sweep({"n1", FaultKind::power_cut_before, "power cut"});
}
BOOST_AUTO_TEST_CASE(power_of_the_source_after) {
  sweep({"n1", FaultKind::power_cut_after, "power cut after"});
}
BOOST_AUTO_TEST_CASE(power_of_the_destination_before) {
  sweep({"n2", FaultKind::power_cut_before, "power cut"});
}
BOOST_AUTO_TEST_CASE(power_of_the_destination_after) {
  sweep({"n2", FaultKind::power_cut_after, "power cut after"});
}
BOOST_AUTO_TEST_CASE(refused_at_the_source) { sweep({"n1", FaultKind::refuse, "refusal"}); }
BOOST_AUTO_TEST_CASE(refused_at_the_destination) { sweep({"n2", FaultKind::refuse, "refusal"}); }
BOOST_AUTO_TEST_CASE(report_lost_at_the_source) {
  sweep({"n1", FaultKind::lose_report, "lost report"});
}
BOOST_AUTO_TEST_CASE(report_lost_at_the_destination) {
  sweep({"n2", FaultKind::lose_report, "lost report"});
}

BOOST_AUTO_TEST_CASE(online_power_of_the_source) {
  sweep({"n1", FaultKind::power_cut_after, "power cut after", kOnline});
}
BOOST_AUTO_TEST_CASE(online_power_of_the_destination) {
  sweep({"n2", FaultKind::power_cut_after, "power cut after", kOnline});
}
BOOST_AUTO_TEST_CASE(online_refused_at_the_source) {
  sweep({"n1", FaultKind::refuse, "refusal", kOnline});
}
BOOST_AUTO_TEST_CASE(online_refused_at_the_destination) {
  sweep({"n2", FaultKind::refuse, "refusal", kOnline});
}
BOOST_AUTO_TEST_CASE(online_report_lost_at_the_source) {
  sweep({"n1", FaultKind::lose_report, "lost report", kOnline});
}
BOOST_AUTO_TEST_CASE(online_report_lost_at_the_destination) {
  sweep({"n2", FaultKind::lose_report, "lost report", kOnline});
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::tools
