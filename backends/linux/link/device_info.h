// Devices and routes as the kernel lists them.
#pragma once

#include <vector>

#include "backends/linux/link/netlink.h"
#include "runtime/kernel/links.h"

namespace twinhull::linux_backend {

LinkKind kind_of(rtnl_link* link);

/// Facts of a device. `master` is what it is a port of, nullptr = nothing; `addresses` are those of
/// all devices.
LinkInfo read_device(rtnl_link* link, rtnl_link* master, nl_cache* addresses);

/// The unicast routes of the main table, in the kernel's order.
std::vector<Route> read_routes(nl_cache* devices, nl_cache* routes);

}  // namespace twinhull::linux_backend
