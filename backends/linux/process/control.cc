#include "backends/linux/process/control.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace twinhull::linux_backend {
namespace {

/// Room for one descriptor beside a message.
union Ancillary {
  cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(int))];
};

}  // namespace

int send_control(int socket, const ControlMessage& message, int fd) {
  iovec part{.iov_base = const_cast<ControlMessage*>(&message), .iov_len = sizeof message};
  msghdr frame{};
  frame.msg_iov = &part;
  frame.msg_iovlen = 1;
  Ancillary room{};
  if (fd >= 0) {
    frame.msg_control = room.bytes;
    frame.msg_controllen = sizeof room.bytes;
    cmsghdr* const header = CMSG_FIRSTHDR(&frame);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  for (;;) {
    if (::sendmsg(socket, &frame, MSG_NOSIGNAL) >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

int receive_control(int socket, ControlMessage& message, int& fd) {
  fd = -1;
  iovec part{.iov_base = &message, .iov_len = sizeof message};
  msghdr frame{};
  frame.msg_iov = &part;
  frame.msg_iovlen = 1;
  Ancillary room{};
  frame.msg_control = room.bytes;
  frame.msg_controllen = sizeof room.bytes;
  ssize_t got = -1;
  // A peer that went with a message of ours unread resets the connection, and the kernel tells that
  // once before it hands out what the peer had said.
  bool reset = false;
  do {
    got = ::recvmsg(socket, &frame, MSG_CMSG_CLOEXEC);
  } while (got < 0 && (errno == EINTR || (errno == ECONNRESET && !std::exchange(reset, true))));
  if (got < 0) return errno;
  if (got == 0) return EPIPE;
  if (got != static_cast<ssize_t>(sizeof message)) return EPROTO;
  const cmsghdr* const header = CMSG_FIRSTHDR(&frame);
  if (header != nullptr && header->cmsg_type == SCM_RIGHTS) {
    std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  }
  return 0;
}

}  // namespace twinhull::linux_backend
