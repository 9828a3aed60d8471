// Telling neighbours where an address is.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "runtime/kernel/units.h"

namespace twinhull::linux_backend {

using MacAddress = std::array<std::uint8_t, 6>;

/// Body of an ARP announcement (RFC 5227): a request in which `address` asks for itself.
/// Precondition: an IPv4 address.
std::vector<std::uint8_t> arp_announcement(const IpAddress& address, const MacAddress& mac);

/// An unsolicited neighbour advertisement (RFC 4861, 7.2.6) with the override flag; the checksum is
/// left to the kernel. Precondition: an IPv6 address.
std::vector<std::uint8_t> neighbour_advertisement(const IpAddress& address, const MacAddress& mac);

/// Sends the announcement that fits the family out of a device. Returns errno.
int send_announcement(int device, const IpAddress& address, const MacAddress& mac);

}  // namespace twinhull::linux_backend
