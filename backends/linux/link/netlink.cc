#include "backends/linux/link/netlink.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netlink/msg.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "backends/linux/errno_error.h"
#include "backends/linux/process/identity.h"

namespace twinhull::linux_backend {
namespace {

int keep_errno(sockaddr_nl*, nlmsgerr* answer, void* number) {
  *static_cast<int*>(number) = -answer->error;
  return NL_STOP;
}

int note_acknowledgement(nl_msg*, void* done) {
  *static_cast<bool*>(done) = true;
  return NL_STOP;
}

Result<NlSocket> connect(std::string_view operation) {
  NlSocket socket(nl_socket_alloc());
  if (!socket) return fail(ErrorCode::no_memory, operation, "netlink socket", "no memory");
  if (const int result = nl_connect(socket.get(), NETLINK_ROUTE); result < 0) {
    return system_error(ErrorCode::not_supported, operation, "netlink socket", errno_of(result),
                        "cannot talk to the network devices");
  }
  return socket;
}

}  // namespace

int errno_of(int nl_error) {
  switch (nl_error < 0 ? -nl_error : nl_error) {
    case NLE_SUCCESS: return 0;
    case NLE_INTR:
    case NLE_DUMP_INTR: return EINTR;
    case NLE_AGAIN: return EAGAIN;
    case NLE_EXIST: return EEXIST;
    case NLE_NOADDR: return EADDRNOTAVAIL;
    case NLE_OBJ_NOTFOUND: return ESRCH;
    case NLE_NODEV: return ENODEV;
    case NLE_NOMEM: return ENOMEM;
    case NLE_INVAL: return EINVAL;
    case NLE_RANGE: return ERANGE;
    case NLE_OPNOTSUPP: return EOPNOTSUPP;
    case NLE_AF_NOSUPPORT: return EAFNOSUPPORT;
    case NLE_PROTO_MISMATCH: return EPROTONOSUPPORT;
    case NLE_PERM: return EPERM;
    case NLE_NOACCESS: return EACCES;
    case NLE_BUSY: return EBUSY;
    default: return EPROTO;
  }
}

Result<UniqueFd> open_network_namespace(std::string_view operation, const ProcessRef& process) {
  const auto gone = fail(ErrorCode::not_running, operation, fmt::format("process {}", process.pid),
                         "the process is gone");
  const UniqueFd held = open_process(process);
  if (!held) return gone;
  UniqueFd space(::open(fmt::format("/proc/{}/ns/net", process.pid).c_str(), O_RDONLY | O_CLOEXEC));
  // Gone meanwhile: what was opened may belong to a process with a recycled number.
  if (!space || !is_live(process)) return gone;
  return space;
}

Result<RouteSocket> RouteSocket::open(std::string_view operation, const NetScope& scope) {
  if (!scope.init) {
    TH_ASSIGN(NlSocket socket, connect(operation));
    return RouteSocket(std::move(socket));
  }
  TH_ASSIGN(const UniqueFd space, open_network_namespace(operation, *scope.init));
  const UniqueFd own(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!own) return system_error(operation, "own network namespace", errno);
  if (::setns(space.get(), CLONE_NEWNET) != 0) {
    return system_error(operation, fmt::format("process {}", scope.init->pid), errno,
                        "cannot enter its network namespace");
  }
  auto socket = connect(operation);
  // Cannot fail with a descriptor of the namespace that the thread came from; if it does, the
  // caller must learn that it is not where it was.
  if (::setns(own.get(), CLONE_NEWNET) != 0) {
    return system_error(operation, "own network namespace", errno, "cannot return to it");
  }
  if (!socket) return std::move(socket).error();
  return RouteSocket(std::move(*socket));
}

int RouteSocket::transact(NlMessage request) {
  nlmsg_hdr(request.get())->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
  if (const int sent = nl_send_auto(socket_.get(), request.get()); sent < 0) return errno_of(sent);
  const std::unique_ptr<nl_cb, NlFree<nl_cb_put>> callbacks(nl_cb_alloc(NL_CB_DEFAULT));
  if (!callbacks) return ENOMEM;
  int number = 0;
  bool done = false;
  nl_cb_err(callbacks.get(), NL_CB_CUSTOM, keep_errno, &number);
  nl_cb_set(callbacks.get(), NL_CB_ACK, NL_CB_CUSTOM, note_acknowledgement, &done);
  while (!done && number == 0) {
    const int result = nl_recvmsgs(socket_.get(), callbacks.get());
    if (number == 0 && result < 0 && result != -NLE_INTR) return errno_of(result);
  }
  return number;
}

NlLink RouteSocket::device(const std::string& name) {
  rtnl_link* found = nullptr;
  if (rtnl_link_get_kernel(socket_.get(), 0, name.c_str(), &found) < 0) return {};
  return NlLink(found);
}

NlLink RouteSocket::device(int index) {
  rtnl_link* found = nullptr;
  if (rtnl_link_get_kernel(socket_.get(), index, nullptr, &found) < 0) return {};
  return NlLink(found);
}

NlCache RouteSocket::links(int& number) {
  nl_cache* cache = nullptr;
  number = errno_of(rtnl_link_alloc_cache(socket_.get(), AF_UNSPEC, &cache));
  return NlCache(cache);
}

NlCache RouteSocket::addresses(int& number) {
  nl_cache* cache = nullptr;
  number = errno_of(rtnl_addr_alloc_cache(socket_.get(), &cache));
  return NlCache(cache);
}

NlCache RouteSocket::routes(int& number) {
  nl_cache* cache = nullptr;
  number = errno_of(rtnl_route_alloc_cache(socket_.get(), AF_UNSPEC, 0, &cache));
  return NlCache(cache);
}

NlAddress to_nl(const IpPrefix& prefix) {
  const bool v4 = prefix.address.family == IpAddress::Family::v4;
  NlAddress address(nl_addr_build(v4 ? AF_INET : AF_INET6, prefix.address.bytes, v4 ? 4 : 16));
  nl_addr_set_prefixlen(address.get(), prefix.length);
  return address;
}

NlAddress to_nl(const IpAddress& address) {
  return to_nl(IpPrefix::host(address));
}

std::optional<IpPrefix> from_nl(nl_addr* address) {
  IpPrefix prefix;
  if (address == nullptr) return std::nullopt;
  const int family = nl_addr_get_family(address);
  if (family != AF_INET && family != AF_INET6) return std::nullopt;
  prefix.address.family = family == AF_INET ? IpAddress::Family::v4 : IpAddress::Family::v6;
  const auto* const bytes = static_cast<const std::uint8_t*>(nl_addr_get_binary_addr(address));
  const auto length = static_cast<std::size_t>(nl_addr_get_len(address));
  // A default route has an address without bytes.
  std::copy_n(bytes, std::min<std::size_t>(length, sizeof prefix.address.bytes),
              prefix.address.bytes);
  prefix.length = static_cast<std::uint8_t>(nl_addr_get_prefixlen(address));
  return prefix;
}

}  // namespace twinhull::linux_backend
