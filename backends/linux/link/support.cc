// Which kinds of devices this kernel can make.
#include <fmt/format.h>
#include <netlink/route/link/veth.h>

#include <cerrno>
#include <string>

#include "backends/linux/errno_error.h"
#include "backends/linux/link/links.h"
#include "backends/linux/link/netlink.h"

namespace twinhull::linux_backend {

Support link_support(Feature feature) {
  const std::string kind = feature == Feature::veth ? "veth" : "bridge";
  auto socket = RouteSocket::open("host.supports", NetScope::node());
  if (!socket) return {false, socket.error().detail};
  // A device with a name that no device can have: the kernel looks for the kind (and loads its
  // module) before it refuses the name, so nothing is ever made.
  const NlLink link(feature == Feature::veth ? rtnl_link_veth_alloc() : rtnl_link_alloc());
  if (!link) return {false, "no memory"};
  rtnl_link_set_type(link.get(), kind.c_str());
  rtnl_link_set_name(link.get(), "a/b");
  nl_msg* message = nullptr;
  if (rtnl_link_build_add_request(link.get(), NLM_F_CREATE | NLM_F_EXCL, &message) < 0) {
    return {false, "libnl cannot ask for " + kind};
  }
  const int number = socket->transact(NlMessage(message));
  if (number == EOPNOTSUPP) return {false, fmt::format("this kernel has no {} devices", kind)};
  if (number == EPERM) return {false, "root lacks CAP_NET_ADMIN here"};
  return {true, fmt::format("{} devices through rtnetlink", kind)};
}

}  // namespace twinhull::linux_backend
