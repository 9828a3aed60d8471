// What the runtime relies on: packets really pass, or do not.
#include "runtime/kernel/contract/checks.h"
#include "runtime/kernel/contract/containers.h"
#include "runtime/kernel/links.h"

namespace twinhull::contract {
namespace {

std::vector<Case>& cases() {
  static std::vector<Case> list;
  return list;
}

const NetScope kNode = NetScope::node();
constexpr const char* kGateway = "169.254.255.1";

IpAddress ip(const std::string& text) {
  return IpAddress::parse(text).value();
}
IpPrefix prefix(const std::string& text) {
  return IpPrefix::parse(text).value();
}

// The recipe of routed containers: the address lives in the container, the node routes to it.
Box routed_box(ContractStage& stage, const std::string& name, const std::string& address,
               std::vector<std::string> argv = {}) {
  Box box = MUST(start_box(stage, name, std::move(argv)));
  Links& links = stage.kernel().links();
  const std::string device = "th-" + name;
  const NetScope inside = NetScope::of(box.init);
  MUST(links.create_veth({device, inside, "venet0", "", ""}));
  MUST(links.set_up(kNode, device, true));
  MUST(links.set_up(inside, "lo", true));
  MUST(links.set_up(inside, "venet0", true));
  MUST(links.add_address(kNode, device, prefix(std::string(kGateway) + "/32")));
  MUST(links.add_address(inside, "venet0", prefix(address + "/32")));
  MUST(links.add_route(kNode, {prefix(address + "/32"), device, std::nullopt}));
  MUST(links.add_route(inside, {prefix(std::string(kGateway) + "/32"), "venet0", std::nullopt}));
  MUST(links.add_route(inside, {prefix("0.0.0.0/0"), "venet0", ip(kGateway)}));
  MUST(links.enable_routing(device));
  return box;
}

// Two boxes on one bridge, 10.9.1.1 and 10.9.1.2.
std::pair<Box, Box> bridged_boxes(ContractStage& stage) {
  Links& links = stage.kernel().links();
  MUST(links.create_bridge("th-br0"));
  MUST(links.set_up(kNode, "th-br0", true));
  std::vector<Box> boxes;
  for (const std::string name : {"c1", "c2"}) {
    Box box = MUST(start_box(stage, name));
    const NetScope inside = NetScope::of(box.init);
    MUST(links.create_veth({"th-" + name, inside, "venet0", "", ""}));
    MUST(links.set_bridge("th-" + name, "th-br0"));
    MUST(links.set_up(kNode, "th-" + name, true));
    MUST(links.set_up(inside, "venet0", true));
    MUST(links.add_address(inside, "venet0", prefix("10.9.1." + name.substr(1) + "/24")));
    boxes.push_back(std::move(box));
  }
  return {boxes[0], boxes[1]};
}

bool pings(ContractStage& stage, const Box& from, const std::string& to) {
  return MUST(shell(stage, from, "ping -c 1 -W 3 " + to)).status.success();
}

CASE(the_loopback_works_once_it_is_up) {
  const Box box = MUST(start_box(stage, "c1"));
  MUST(stage.kernel().links().set_up(NetScope::of(box.init), "lo", true));
  BOOST_CHECK(pings(stage, box, "127.0.0.1"));
}

CASE(a_routed_container_reaches_the_node) {
  const Box box = routed_box(stage, "c1", "10.9.0.1");
  BOOST_CHECK(pings(stage, box, kGateway));
}

CASE(routed_containers_reach_each_other) {
  const Box one = routed_box(stage, "c1", "10.9.0.1");
  const Box two = routed_box(stage, "c2", "10.9.0.2");
  BOOST_CHECK(pings(stage, one, "10.9.0.2"));
  BOOST_CHECK(pings(stage, two, "10.9.0.1"));
}

CASE(an_address_that_nobody_has_does_not_answer) {
  const Box box = routed_box(stage, "c1", "10.9.0.1");
  BOOST_CHECK(!MUST(shell(stage, box, "ping -c 1 -W 1 10.9.0.77")).status.success());
}

CASE(without_the_nodes_route_no_answer_comes_back) {
  const Box box = routed_box(stage, "c1", "10.9.0.1");
  BOOST_REQUIRE(pings(stage, box, kGateway));
  CHANGED(stage.kernel().links().remove_route(kNode, prefix("10.9.0.1/32")));
  BOOST_CHECK(!MUST(shell(stage, box, "ping -c 1 -W 1 " + std::string(kGateway))).status.success());
  CHANGED(stage.kernel().links().add_route(kNode, {prefix("10.9.0.1/32"), "th-c1", std::nullopt}));
  BOOST_CHECK(pings(stage, box, kGateway));
}

CASE(a_device_that_is_down_passes_nothing) {
  const Box box = routed_box(stage, "c1", "10.9.0.1");
  BOOST_REQUIRE(pings(stage, box, kGateway));
  MUST(stage.kernel().links().set_up(kNode, "th-c1", false));
  BOOST_CHECK(!MUST(shell(stage, box, "ping -c 1 -W 1 " + std::string(kGateway))).status.success());
}

CASE(bridged_containers_reach_each_other) {
  const auto [one, two] = bridged_boxes(stage);
  BOOST_CHECK(pings(stage, one, "10.9.1.2"));
  BOOST_CHECK(pings(stage, two, "10.9.1.1"));
}

CASE(a_port_that_left_its_bridge_is_cut_off) {
  const auto [one, two] = bridged_boxes(stage);
  BOOST_REQUIRE(pings(stage, one, "10.9.1.2"));
  MUST(stage.kernel().links().set_bridge("th-c2", ""));
  BOOST_CHECK(!MUST(shell(stage, one, "ping -c 1 -W 1 10.9.1.2")).status.success());
}

CASE(counters_grow_with_the_traffic) {
  const Box box = routed_box(stage, "c1", "10.9.0.1");
  Links& links = stage.kernel().links();
  const NetScope inside = NetScope::of(box.init);
  BOOST_REQUIRE(pings(stage, box, kGateway));
  const LinkCounters before = MUST(links.find(inside, "venet0"))->counters;
  const LinkCounters node_before = MUST(links.find(kNode, "th-c1"))->counters;
  MUST(shell_output(stage, box, "ping -c 3 -W 3 " + std::string(kGateway)));
  const LinkCounters after = MUST(links.find(inside, "venet0"))->counters;
  const LinkCounters node_after = MUST(links.find(kNode, "th-c1"))->counters;
  BOOST_CHECK(after.packets_sent >= before.packets_sent + 3);
  BOOST_CHECK(after.packets_received >= before.packets_received + 3);
  BOOST_CHECK(after.sent.value >= before.sent.value + 3 * 64);
  // What one end sends, the other receives.
  BOOST_CHECK(node_after.packets_received >= node_before.packets_received + 3);
  BOOST_CHECK(node_after.packets_sent >= node_before.packets_sent + 3);
}

CASE(a_stream_passes_between_containers) {
  const Box server = routed_box(stage, "c1", "10.9.0.1", {"/bin/vzload", "serve", "5001"});
  const Box client = routed_box(stage, "c2", "10.9.0.2");
  MUST(stage.kernel().clock().sleep(milliseconds(200)));
  const LinkCounters before =
      MUST(stage.kernel().links().find(NetScope::of(server.init), "venet0"))->counters;
  MUST(shell_output(stage, client, "vzload send 10.9.0.1 5001 --bytes 1M"));
  BOOST_CHECK(eventually(stage, seconds(10), [&] {
    const LinkCounters after =
        MUST(stage.kernel().links().find(NetScope::of(server.init), "venet0"))->counters;
    return after.received.value >= before.received.value + (1 << 20);
  }));
}

CASE(a_port_without_a_listener_refuses) {
  const Box server = routed_box(stage, "c1", "10.9.0.1");
  const Box client = routed_box(stage, "c2", "10.9.0.2");
  const ExecOutcome outcome = MUST(shell(stage, client, "vzload send 10.9.0.1 5001 --bytes 1K"));
  BOOST_CHECK_EQUAL(outcome.status.shell_code(), 1);
}

CASE(announce_takes_an_address_of_the_node) {
  routed_box(stage, "c1", "10.9.0.1");
  MUST(stage.kernel().links().announce(ip("10.9.0.1")));
}

}  // namespace

Area traffic_area() {
  return {"traffic", cases()};
}

}  // namespace twinhull::contract
