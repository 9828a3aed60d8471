// The grammar of vzctl (spec R3).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "runtime/container/operations.h"
#include "runtime/kernel/result.h"
#include "runtime/node/log.h"

namespace twinhull::tools::ctl {

enum class Command : std::uint8_t {
  create,
  destroy,
  start,
  stop,
  restart,
  status,
  explain,
  mount,
  umount,
  set,
  exec,
  exec2,
  exec3,
  enter,
  runscript,
  suspend,
  resume,
  pause,
};

/// One call of vzctl, understood but not yet checked against a node.
struct Invocation {
  Command command = Command::status;
  Verbosity verbosity = Verbosity::normal;
  std::string container;  ///< CTID or NAME as it was written
  container::CreateOptions create;
  container::DestroyOptions destroy;
  container::StartOptions start;
  container::StopOptions stop;
  container::MountOptions mount;
  container::SetOptions set;
  container::SuspendOptions suspend;
  container::ResumeOptions resume;
  bool json = false;               ///< explain
  std::vector<std::string> words;  ///< parameters of explain; the command of exec*, enter --exec; the file of runscript
};

/// Text that was asked for instead: --help, --version.
struct Answer {
  std::string text;
};

/// `argv` with the program's name first. Errors: invalid_argument with exit 19 (unknown option,
/// with the nearest names) or 20 (anything else that is no command line of vzctl). Passwords never
/// show in a message.
Result<std::variant<Invocation, Answer>> parse_command_line(std::span<const std::string> argv);

}  // namespace twinhull::tools::ctl
