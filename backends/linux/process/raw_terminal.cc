#include "backends/linux/process/raw_terminal.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

namespace twinhull::linux_backend {

RawTerminal::RawTerminal() {
  if (::tcgetattr(STDIN_FILENO, &old_) != 0) return;
  termios raw = old_;
  ::cfmakeraw(&raw);
  changed_ = ::tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

RawTerminal::~RawTerminal() {
  // Drained, so that what the program wrote last is not seen in the wrong mode.
  if (changed_) ::tcsetattr(STDIN_FILENO, TCSADRAIN, &old_);
}

void write_fully(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = ::write(fd, text.data(), text.size());
    if (put >= 0) {
      text.remove_prefix(static_cast<std::size_t>(put));
    } else if (errno == EAGAIN) {
      pollfd room{fd, POLLOUT, 0};
      if (::poll(&room, 1, -1) < 0 && errno != EINTR) return;
    } else if (errno != EINTR) {
      return;
    }
  }
}

}  // namespace twinhull::linux_backend
