// rtnetlink through libnl, and network namespaces.
#pragma once

#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/route.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "backends/linux/unique_fd.h"
#include "runtime/kernel/links.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// Frees an object of libnl.
template <auto Free>
struct NlFree {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using NlSocket = std::unique_ptr<nl_sock, NlFree<nl_socket_free>>;
using NlMessage = std::unique_ptr<nl_msg, NlFree<nlmsg_free>>;
using NlCache = std::unique_ptr<nl_cache, NlFree<nl_cache_free>>;
using NlLink = std::unique_ptr<rtnl_link, NlFree<rtnl_link_put>>;
using NlAddress = std::unique_ptr<nl_addr, NlFree<nl_addr_put>>;
using NlDeviceAddress = std::unique_ptr<rtnl_addr, NlFree<rtnl_addr_put>>;
using NlRoute = std::unique_ptr<rtnl_route, NlFree<rtnl_route_put>>;

/// errno that fits an error number of libnl best.
int errno_of(int nl_error);

/// The network namespace of a scope's process. Errors: not_running.
Result<UniqueFd> open_network_namespace(std::string_view operation, const ProcessRef& process);

/// A netlink socket that talks to one namespace, from whichever thread. The calling thread enters
/// the namespace only while the socket is made.
class RouteSocket {
 public:
  /// Errors: not_running; not_supported (no rtnetlink).
  static Result<RouteSocket> open(std::string_view operation, const NetScope& scope);

  /// Sends a request and waits for its acknowledgement. Returns errno. libnl's own error numbers
  /// fold several errors of the kernel into "failure", so the kernel's are taken from its answer.
  int transact(NlMessage request);

  /// The device with this name; empty when there is none.
  NlLink device(const std::string& name);
  /// The device with this number; empty when there is none.
  NlLink device(int index);
  /// Dumps; empty on an error of the socket, whose errno is in `number`.
  NlCache links(int& number);
  NlCache addresses(int& number);
  NlCache routes(int& number);

 private:
  explicit RouteSocket(NlSocket socket) : socket_(std::move(socket)) {}
  NlSocket socket_;
};

/// Addresses as libnl has them, and back. The prefix length is part of the former.
NlAddress to_nl(const IpPrefix& prefix);
NlAddress to_nl(const IpAddress& address);
std::optional<IpPrefix> from_nl(nl_addr* address);

}  // namespace twinhull::linux_backend
