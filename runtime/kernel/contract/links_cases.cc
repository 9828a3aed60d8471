// What the runtime relies on: Links, devices, addresses and routes.
#include <algorithm>

#include "runtime/kernel/contract/checks.h"
#include "runtime/kernel/contract/containers.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/links.h"

namespace twinhull::contract {
namespace {

std::vector<Case>& cases() {
  static std::vector<Case> list;
  return list;
}

const NetScope kNode = NetScope::node();

IpAddress ip(const char* text) {
  return IpAddress::parse(text).value();
}
IpPrefix prefix(const char* text) {
  return IpPrefix::parse(text).value();
}

VethSpec veth(const Box& box, const std::string& node_name = "th-c1") {
  VethSpec spec;
  spec.node_name = node_name;
  spec.peer_scope = NetScope::of(box.init);
  spec.peer_name = "venet0";
  return spec;
}

// A box with a veth pair, both ends up.
Box linked_box(ContractStage& stage) {
  Box box = MUST(start_box(stage, "c1"));
  Links& links = stage.kernel().links();
  MUST(links.create_veth(veth(box)));
  MUST(links.set_up(kNode, "th-c1", true));
  MUST(links.set_up(NetScope::of(box.init), "venet0", true));
  return box;
}

LinkInfo device(ContractStage& stage, const NetScope& scope, const std::string& name) {
  const auto info = MUST(stage.kernel().links().find(scope, name));
  BOOST_REQUIRE_MESSAGE(info.has_value(), "there is no device " << name);
  return *info;
}

CASE(a_new_container_has_a_loopback_only) {
  const Box box = MUST(start_box(stage, "c1"));
  const auto devices = MUST(stage.kernel().links().list(NetScope::of(box.init)));
  BOOST_REQUIRE_EQUAL(devices.size(), 1);
  BOOST_CHECK_EQUAL(devices[0].name, "lo");
  BOOST_CHECK(devices[0].kind == LinkKind::loopback);
}

CASE(veth_has_one_end_on_each_side) {
  Links& links = stage.kernel().links();
  const Box box = MUST(start_box(stage, "c1"));
  NEEDS(stage, veth, links.create_veth(veth(box)));
  MUST(links.create_veth(veth(box)));
  const LinkInfo outside = device(stage, kNode, "th-c1");
  const LinkInfo inside = device(stage, NetScope::of(box.init), "venet0");
  BOOST_CHECK(outside.kind == LinkKind::veth);
  BOOST_CHECK(inside.kind == LinkKind::veth);
  BOOST_CHECK(!outside.up);
  BOOST_CHECK(!inside.up);
  BOOST_CHECK_EQUAL(outside.mac.size(), 17);
  BOOST_CHECK(outside.mac != inside.mac);
  BOOST_CHECK(!MUST(links.find(kNode, "venet0")).has_value());
  BOOST_CHECK(!MUST(links.find(NetScope::of(box.init), "th-c1")).has_value());
}

CASE(veth_takes_the_wished_mac_addresses) {
  const Box box = MUST(start_box(stage, "c1"));
  VethSpec spec = veth(box);
  spec.node_mac = "02:00:00:00:00:01";
  spec.peer_mac = "02:00:00:00:00:02";
  MUST(stage.kernel().links().create_veth(spec));
  BOOST_CHECK_EQUAL(device(stage, kNode, "th-c1").mac, spec.node_mac);
  BOOST_CHECK_EQUAL(device(stage, NetScope::of(box.init), "venet0").mac, spec.peer_mac);
}

CASE(veth_refuses_a_taken_name) {
  Links& links = stage.kernel().links();
  const Box box = MUST(start_box(stage, "c1"));
  MUST(links.create_veth(veth(box)));
  REFUSED(links.create_veth(veth(box)), exists);
  REFUSED(links.create_veth(veth(box, "th-other")), exists);
  BOOST_CHECK(!MUST(links.find(kNode, "th-other")).has_value());
}

CASE(names_are_checked_first) {
  Links& links = stage.kernel().links();
  const Box box = MUST(start_box(stage, "c1"));
  for (const std::string& name :
       {std::string(), std::string("th-4567890123456"), std::string("a/b"), std::string("a b")}) {
    REFUSED(links.create_veth(veth(box, name)), invalid_argument);
    REFUSED(links.create_bridge(name), invalid_argument);
    REFUSED(links.remove(name), invalid_argument);
    VethSpec spec = veth(box);
    spec.peer_name = name;
    REFUSED(links.create_veth(spec), invalid_argument);
  }
  BOOST_CHECK(!MUST(links.find(kNode, "th-c1")).has_value());
}

CASE(fifteen_bytes_are_the_longest_name) {
  const Box box = MUST(start_box(stage, "c1"));
  MUST(stage.kernel().links().create_veth(veth(box, "th-456789012345")));
  device(stage, kNode, "th-456789012345");
}

CASE(a_scope_needs_its_process) {
  Links& links = stage.kernel().links();
  const Box box = linked_box(stage);
  const NetScope scope = NetScope::of(box.init);
  MUST(stage.kernel().processes().signal(box.init, Signal::kill));
  MUST(stage.kernel().processes().wait_gone(box.init, seconds(10)));
  REFUSED(links.list(scope), not_running);
  REFUSED(links.find(scope, "venet0"), not_running);
  REFUSED(links.set_up(scope, "venet0", true), not_running);
  REFUSED(links.add_address(scope, "venet0", prefix("10.9.0.1/24")), not_running);
  REFUSED(links.routes(scope), not_running);
  REFUSED(links.create_veth(veth(box, "th-c2")), not_running);
}

CASE(the_pair_goes_with_the_container) {
  const Box box = linked_box(stage);
  MUST(stage.kernel().processes().signal(box.init, Signal::kill));
  MUST(stage.kernel().processes().wait_gone(box.init, seconds(10)));
  // A network namespace is taken down a little after its last process.
  BOOST_CHECK(eventually(stage, seconds(20), [&] {
    return !MUST(stage.kernel().links().find(kNode, "th-c1")).has_value();
  }));
}

CASE(remove_takes_both_ends_and_can_be_repeated) {
  Links& links = stage.kernel().links();
  const Box box = linked_box(stage);
  CHANGED(links.remove("th-c1"));
  NO_EFFECT(links.remove("th-c1"));
  BOOST_CHECK(!MUST(links.find(kNode, "th-c1")).has_value());
  BOOST_CHECK(!MUST(links.find(NetScope::of(box.init), "venet0")).has_value());
}

CASE(up_and_down_are_seen) {
  Links& links = stage.kernel().links();
  linked_box(stage);
  BOOST_CHECK(device(stage, kNode, "th-c1").up);
  MUST(links.set_up(kNode, "th-c1", true));
  MUST(links.set_up(kNode, "th-c1", false));
  BOOST_CHECK(!device(stage, kNode, "th-c1").up);
  REFUSED(links.set_up(kNode, "th-none", true), not_found);
}

CASE(bridges_can_be_made_again) {
  Links& links = stage.kernel().links();
  NEEDS(stage, bridge, links.create_bridge("th-br0"));
  CHANGED(links.create_bridge("th-br0"));
  NO_EFFECT(links.create_bridge("th-br0"));
  BOOST_CHECK(device(stage, kNode, "th-br0").kind == LinkKind::bridge);
  CHANGED(links.remove("th-br0"));
}

CASE(a_bridge_refuses_the_name_of_another_device) {
  linked_box(stage);
  REFUSED(stage.kernel().links().create_bridge("th-c1"), exists);
}

CASE(ports_come_and_go) {
  Links& links = stage.kernel().links();
  linked_box(stage);
  MUST(links.create_bridge("th-br0"));
  MUST(links.set_bridge("th-c1", "th-br0"));
  BOOST_CHECK_EQUAL(device(stage, kNode, "th-c1").bridge, "th-br0");
  MUST(links.set_bridge("th-c1", "th-br0"));
  MUST(links.set_bridge("th-c1", ""));
  BOOST_CHECK_EQUAL(device(stage, kNode, "th-c1").bridge, "");
  REFUSED(links.set_bridge("th-none", "th-br0"), not_found);
  REFUSED(links.set_bridge("th-c1", "th-none"), not_found);
}

CASE(addresses_come_and_go) {
  Links& links = stage.kernel().links();
  const Box box = linked_box(stage);
  const NetScope inside = NetScope::of(box.init);
  const IpPrefix address = prefix("10.9.0.1/24");
  CHANGED(links.add_address(inside, "venet0", address));
  NO_EFFECT(links.add_address(inside, "venet0", address));
  const auto addresses = device(stage, inside, "venet0").addresses;
  BOOST_CHECK(std::ranges::count(addresses, address) == 1);
  CHANGED(links.remove_address(inside, "venet0", address));
  NO_EFFECT(links.remove_address(inside, "venet0", address));
  BOOST_CHECK(std::ranges::count(device(stage, inside, "venet0").addresses, address) == 0);
  REFUSED(links.add_address(inside, "none0", address), not_found);
  REFUSED(links.remove_address(inside, "none0", address), not_found);
}

CASE(a_device_holds_addresses_of_both_families) {
  Links& links = stage.kernel().links();
  const Box box = linked_box(stage);
  const NetScope inside = NetScope::of(box.init);
  for (const char* text : {"10.9.0.1/24", "10.9.0.2/32", "fd00:9::1/64"})
    CHANGED(links.add_address(inside, "venet0", prefix(text)));
  const auto addresses = device(stage, inside, "venet0").addresses;
  for (const char* text : {"10.9.0.1/24", "10.9.0.2/32", "fd00:9::1/64"})
    BOOST_CHECK_MESSAGE(std::ranges::count(addresses, prefix(text)) == 1, text << " is missing");
}

CASE(routes_come_and_go) {
  Links& links = stage.kernel().links();
  linked_box(stage);
  const Route route{prefix("10.9.8.7/32"), "th-c1", std::nullopt};
  CHANGED(links.add_route(kNode, route));
  NO_EFFECT(links.add_route(kNode, route));
  BOOST_CHECK(std::ranges::count(MUST(links.routes(kNode)), route) == 1);
  CHANGED(links.remove_route(kNode, route.destination));
  NO_EFFECT(links.remove_route(kNode, route.destination));
  BOOST_CHECK(std::ranges::count(MUST(links.routes(kNode)), route) == 0);
}

CASE(a_route_refuses_another_way_to_the_same_destination) {
  Links& links = stage.kernel().links();
  linked_box(stage);
  MUST(links.create_bridge("th-br0"));
  MUST(links.set_up(kNode, "th-br0", true));
  MUST(links.add_route(kNode, {prefix("10.9.8.7/32"), "th-c1", std::nullopt}));
  REFUSED(links.add_route(kNode, {prefix("10.9.8.7/32"), "th-br0", std::nullopt}), exists);
}

CASE(a_route_needs_a_device_that_is_up) {
  Links& links = stage.kernel().links();
  linked_box(stage);
  MUST(links.set_up(kNode, "th-c1", false));
  REFUSED(links.add_route(kNode, {prefix("10.9.8.7/32"), "th-c1", std::nullopt}), unreachable);
  REFUSED(links.add_route(kNode, {prefix("10.9.8.7/32"), "th-none", std::nullopt}), not_found);
}

CASE(a_device_that_goes_down_loses_its_routes) {
  Links& links = stage.kernel().links();
  linked_box(stage);
  const Route route{prefix("10.9.8.7/32"), "th-c1", std::nullopt};
  MUST(links.add_route(kNode, route));
  MUST(links.set_up(kNode, "th-c1", false));
  BOOST_CHECK(std::ranges::count(MUST(links.routes(kNode)), route) == 0);
}

CASE(a_default_route_through_a_gateway) {
  Links& links = stage.kernel().links();
  const Box box = linked_box(stage);
  const NetScope inside = NetScope::of(box.init);
  MUST(links.add_address(inside, "venet0", prefix("10.9.8.7/32")));
  MUST(links.add_route(inside, {prefix("169.254.255.1/32"), "venet0", std::nullopt}));
  const Route all{prefix("0.0.0.0/0"), "venet0", ip("169.254.255.1")};
  CHANGED(links.add_route(inside, all));
  BOOST_CHECK(std::ranges::count(MUST(links.routes(inside)), all) == 1);
  CHANGED(links.remove_route(inside, prefix("0.0.0.0/0")));
}

CASE(removed_devices_take_their_routes_along) {
  Links& links = stage.kernel().links();
  linked_box(stage);
  const Route route{prefix("10.9.8.7/32"), "th-c1", std::nullopt};
  MUST(links.add_route(kNode, route));
  MUST(links.remove("th-c1"));
  BOOST_CHECK(std::ranges::count(MUST(links.routes(kNode)), route) == 0);
}

CASE(routing_needs_the_device) {
  Links& links = stage.kernel().links();
  linked_box(stage);
  MUST(links.enable_routing("th-c1"));
  MUST(links.enable_routing("th-c1"));
  REFUSED(links.enable_routing("th-none"), not_found);
}

CASE(find_of_nothing_is_no_error) {
  BOOST_CHECK(!MUST(stage.kernel().links().find(kNode, "th-none")).has_value());
}

CASE(list_is_sorted_by_name) {
  Links& links = stage.kernel().links();
  for (const std::string name : {"th-b", "th-a", "th-c"}) MUST(links.create_bridge(name));
  const auto devices = MUST(links.list(kNode));
  BOOST_CHECK(std::ranges::is_sorted(devices, {}, &LinkInfo::name));
  BOOST_CHECK(std::ranges::count_if(
                  devices, [](const LinkInfo& link) { return link.name.starts_with("th-"); }) == 3);
}

}  // namespace

Area links_area() {
  return {"links", cases()};
}

}  // namespace twinhull::contract
