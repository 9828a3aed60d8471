// Links on the real kernel, beyond the contract. Root only.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/test/unit_test.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/linux/link/links.h"
#include "backends/linux/testing/node_fixture.h"
#include "backends/linux/unique_fd.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/links.h"
#include "runtime/kernel/processes.h"

using namespace twinhull;
using namespace twinhull::linux_backend;
using namespace twinhull::linux_backend::testing;

namespace {

template <typename T>
T must(Result<T> result) {
  BOOST_REQUIRE_MESSAGE(result, (result ? "" : result.error().message()));
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

std::unique_ptr<TestNode> make_node(const std::string& name) {
  TestNodeOptions options;
  options.disk = TestDisk::plain;
  return must(TestNode::make(name, options));
}

ino_t network_namespace() {
  struct stat facts{};
  BOOST_REQUIRE(::stat("/proc/thread-self/ns/net", &facts) == 0);
  return facts.st_ino;
}

ProcessRef start_box(TestNode& node) {
  must(node.install_busybox());
  must(node.kernel().cgroups().create({"c1"}));
  SpawnSpec spec;
  spec.label = "c1";
  spec.root = node / "/vz/template/cache/busybox";
  spec.argv = {"/bin/sleep", "1000"};
  spec.cgroup = {"c1"};
  return must(node.kernel().processes().spawn(spec));
}

IpAddress ip(const char* text) {
  return IpAddress::parse(text).value();
}

/// Frames of one protocol that come in on a device of the calling thread's namespace.
class Listener {
 public:
  Listener(const std::string& device, std::uint16_t protocol)
      : socket_(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(protocol))) {
    BOOST_REQUIRE(socket_);
    sockaddr_ll here{};
    here.sll_family = AF_PACKET;
    here.sll_protocol = htons(protocol);
    here.sll_ifindex = static_cast<int>(::if_nametoindex(device.c_str()));
    BOOST_REQUIRE(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&here), sizeof here) ==
                  0);
  }
  /// Whether a frame with `bytes` in it comes within two seconds.
  bool hears(const std::vector<std::uint8_t>& bytes) const {
    for (int i = 0; i < 20; ++i) {
      pollfd ready{socket_.get(), POLLIN, 0};
      if (::poll(&ready, 1, 100) <= 0) continue;
      std::array<std::uint8_t, 2048> frame{};
      const ssize_t got = ::recv(socket_.get(), frame.data(), frame.size(), 0);
      if (got > 0 && std::search(frame.begin(), frame.begin() + got, bytes.begin(), bytes.end()) !=
                         frame.begin() + got) {
        return true;
      }
    }
    return false;
  }

 private:
  UniqueFd socket_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(linux_links)

BOOST_AUTO_TEST_CASE(the_caller_stays_in_its_namespace) {
  const auto node = make_node("l");
  const auto init = start_box(*node);
  Links& links = node->kernel().links();
  const auto before = network_namespace();
  const auto scope = NetScope::of(init);
  must(links.create_veth({"th-l", scope, "venet0", "", ""}));
  must(links.set_up(scope, "venet0", true));
  must(links.add_address(scope, "venet0", IpPrefix::parse("10.9.0.1/32").value()));
  BOOST_TEST(!links.set_up(scope, "none", true).has_value());
  BOOST_TEST(must(links.list(scope)).size() == 2U);
  BOOST_TEST(network_namespace() == before);
}

BOOST_AUTO_TEST_CASE(neighbours_hear_where_an_address_is) {
  const auto a = make_node("a");
  const auto b = make_node("b");
  must(connect_nodes(*a, "th-a", "10.9.0.1/24", *b, "th-b", "10.9.0.2/24"));
  must(b->enter());
  const Listener arp("th-b", ETH_P_ARP);
  const Listener ipv6("th-b", ETH_P_IPV6);
  must(a->enter());
  const auto device = must(a->kernel().links().find(NetScope::node(), "th-a"));
  BOOST_REQUIRE(device.has_value());
  must(a->kernel().links().announce(ip("10.9.0.77")));
  BOOST_TEST(arp.hears({0, 1, 8, 0, 6, 4, 0, 1}));
  // A fresh device may speak IPv6 only after duplicate address detection, a second or two.
  bool heard = false;
  for (int i = 0; i < 4 && !heard; ++i) {
    must(a->kernel().links().announce(ip("fd00:9::77")));
    heard = ipv6.hears({0xfd, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x77, 2, 1});
  }
  BOOST_TEST(heard);
}

BOOST_AUTO_TEST_CASE(the_device_towards_the_address_is_not_told) {
  const auto a = make_node("a");
  const auto b = make_node("b");
  must(connect_nodes(*a, "th-a", "10.9.0.1/24", *b, "th-b", "10.9.0.2/24"));
  must(b->enter());
  const Listener arp("th-b", ETH_P_ARP);
  must(a->enter());
  Links& links = a->kernel().links();
  must(links.add_route(NetScope::node(),
                       {IpPrefix::parse("10.9.9.9/32").value(), "th-a", std::nullopt}));
  must(links.announce(ip("10.9.9.9")));
  BOOST_TEST(!arp.hears({10, 9, 9, 9, 0, 0, 0, 0, 0, 0, 10, 9, 9, 9}));
}

BOOST_AUTO_TEST_CASE(the_kernel_is_asked_what_it_can_make) {
  for (const auto feature : {Feature::veth, Feature::bridge}) {
    const auto support = link_support(feature);
    BOOST_TEST(support.available, support.reason);
    BOOST_TEST(!support.reason.empty());
  }
}

BOOST_AUTO_TEST_CASE(a_mac_address_must_be_one) {
  const auto node = make_node("m");
  for (const char* const text :
       {"x", "02:00:00:00:00", "02:00:00:00:00:00:01", "02:00:00:00:00:0g", "02-00-00-00-00-01"}) {
    const auto refused =
        node->kernel().links().create_veth({"th-m", NetScope::node(), "th-n", text, ""});
    BOOST_REQUIRE(!refused);
    BOOST_TEST(to_string(refused.error().code) == "invalid_argument");
  }
}

BOOST_AUTO_TEST_SUITE_END()
