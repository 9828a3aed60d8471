#include "backends/linux/link/announce.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "backends/linux/unique_fd.h"

namespace twinhull::linux_backend {
namespace {

constexpr std::size_t kV4Bytes = 4, kV6Bytes = 16;

void put16(std::vector<std::uint8_t>& out, std::uint16_t value) {
  out.push_back(static_cast<std::uint8_t>(value >> 8));
  out.push_back(static_cast<std::uint8_t>(value & 0xff));
}

template <typename Bytes>
void put(std::vector<std::uint8_t>& out, const Bytes& bytes, std::size_t count) {
  out.insert(out.end(), std::begin(bytes), std::begin(bytes) + count);
}

int send_arp(int device, const std::vector<std::uint8_t>& body) {
  const UniqueFd socket(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return errno;
  sockaddr_ll everybody{};
  everybody.sll_family = AF_PACKET;
  everybody.sll_protocol = htons(ETH_P_ARP);
  everybody.sll_ifindex = device;
  everybody.sll_halen = ETH_ALEN;
  std::memset(everybody.sll_addr, 0xff, ETH_ALEN);
  const ssize_t sent = ::sendto(socket.get(), body.data(), body.size(), 0,
                                reinterpret_cast<const sockaddr*>(&everybody), sizeof everybody);
  return sent < 0 ? errno : 0;
}

int send_advertisement(int device, const std::vector<std::uint8_t>& body) {
  const UniqueFd socket(::socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6));
  if (!socket) return errno;
  constexpr int kHops = 255;  // receivers drop advertisements that may have been forwarded
  if (::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &kHops, sizeof kHops) != 0 ||
      ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_MULTICAST_IF, &device, sizeof device) != 0) {
    return errno;
  }
  sockaddr_in6 all_nodes{};
  all_nodes.sin6_family = AF_INET6;
  all_nodes.sin6_scope_id = static_cast<std::uint32_t>(device);
  ::inet_pton(AF_INET6, "ff02::1", &all_nodes.sin6_addr);
  const ssize_t sent = ::sendto(socket.get(), body.data(), body.size(), 0,
                                reinterpret_cast<const sockaddr*>(&all_nodes), sizeof all_nodes);
  return sent < 0 ? errno : 0;
}

}  // namespace

std::vector<std::uint8_t> arp_announcement(const IpAddress& address, const MacAddress& mac) {
  std::vector<std::uint8_t> body;
  put16(body, ARPHRD_ETHER);
  put16(body, ETH_P_IP);
  body.push_back(ETH_ALEN);
  body.push_back(kV4Bytes);
  put16(body, ARPOP_REQUEST);
  put(body, mac, mac.size());
  put(body, address.bytes, kV4Bytes);
  put(body, MacAddress{}, mac.size());
  put(body, address.bytes, kV4Bytes);
  return body;
}

std::vector<std::uint8_t> neighbour_advertisement(const IpAddress& address, const MacAddress& mac) {
  std::vector<std::uint8_t> body;
  body.push_back(ND_NEIGHBOR_ADVERT);
  body.push_back(0);    // code
  put16(body, 0);       // checksum: the kernel's
  put16(body, 0x2000);  // override
  put16(body, 0);
  put(body, address.bytes, kV6Bytes);
  body.push_back(ND_OPT_TARGET_LINKADDR);
  body.push_back(1);  // length in units of 8 bytes
  put(body, mac, mac.size());
  return body;
}

int send_announcement(int device, const IpAddress& address, const MacAddress& mac) {
  return address.family == IpAddress::Family::v4
             ? send_arp(device, arp_announcement(address, mac))
             : send_advertisement(device, neighbour_advertisement(address, mac));
}

}  // namespace twinhull::linux_backend
