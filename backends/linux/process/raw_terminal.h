// The user's terminal while a program inside has one of its own.
#pragma once

#include <termios.h>

#include <string_view>

namespace twinhull::linux_backend {

/// Puts the terminal on standard input, if it is one, into raw mode; restores it at the end.
class RawTerminal {
 public:
  RawTerminal();
  ~RawTerminal();
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  bool changed_ = false;
  termios old_{};
};

/// Writes everything, also to a descriptor that does not block. Stops at an error: the other end
/// is gone then, and nobody is left to tell.
void write_fully(int fd, std::string_view text);

}  // namespace twinhull::linux_backend
