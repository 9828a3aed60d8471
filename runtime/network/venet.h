// A container's routed network, venet-like (spec F3.7, F7.7): a veth pair instead of venet's
// shared device, one host route an address, the node answers ARP for it. What runs is computed
// from the kernel, never remembered.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/kernel/kernel.h"
#include "runtime/kernel/processes.h"
#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull::network {

/// The container's end of the pair.
inline constexpr const char* kContainerDevice = "venet0";

/// The node's end: "veth101".
std::string node_device(CtId id);
/// Inverse of node_device; std::nullopt for other devices.
std::optional<CtId> container_of_device(const std::string& device);

/// What the container's default route points to, an address of the node's end that lives on this
/// one cable only: 169.254.255.1 or fe80::1.
IpAddress gateway(IpAddress::Family family);

/// Whether all `addresses` are free on this node. Errors: exists (exit 78), naming who has one: a
/// running container other than `id`, or a device of the node.
Status check_free(Kernel& kernel, CtId id, std::span<const IpPrefix> addresses);

/// Gives the running container more addresses, the first one first; makes the pair when it is not
/// there yet, and configures both ends, routes and forwarding. `keep_masks` is USE_VENET_MASK: else
/// every address is a host address. Addresses that it has are left as they are. Takes back what it
/// did when it fails. Errors: exists (exit 78), others with exit 34.
Status add_addresses(Kernel& kernel, CtId id, ProcessRef init, std::span<const IpPrefix> addresses,
                     bool keep_masks);

/// Takes addresses away from the running container; those it has not are none. Errors: exit 34.
Status remove_addresses(Kernel& kernel, CtId id, ProcessRef init,
                        std::span<const IpPrefix> addresses);

/// Takes the node's routes to the container away: nothing reaches it, and its peers' connections wait
/// rather than break. The device stays up: a checkpoint of routes whose carrier is lost cannot be
/// restored. Effect::none when there were none.
Result<Effect> disconnect(Kernel& kernel, CtId id);

/// The node's half of the container's network again, from what the container has inside: after
/// disconnect, or when a restore has brought the pair back. Announces the addresses. Nothing to do
/// without a device. Errors: exists (exit 78: somebody has an address meanwhile), others with 34.
Status reconnect(Kernel& kernel, CtId id, ProcessRef init);

/// Tells the neighbours where the addresses are now. Errors: the first that could not be told.
Status announce(Kernel& kernel, std::span<const IpPrefix> addresses);

/// Removes the node's end, and with it the container's end and all routes. Effect::none when it
/// is gone. Called at any stop, and for what a crash left.
Result<Effect> tear_down(Kernel& kernel, CtId id);

/// The addresses that a running container has now, in the order in which it got them.
Result<std::vector<IpPrefix>> addresses_inside(Kernel& kernel, ProcessRef init);

/// The addresses that the node routes to each container, ascending. One look at the kernel for
/// all: for lists.
Result<std::map<CtId, std::vector<IpAddress>>> routed_addresses(Kernel& kernel);

}  // namespace twinhull::network
