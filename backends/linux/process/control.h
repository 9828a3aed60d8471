// Messages between a parent and its child until the child executes its program.
#pragma once

#include "backends/linux/process/child_plan.h"

namespace twinhull::linux_backend {

/// Sends a message, with a descriptor unless `fd` is -1. Returns errno. Allocates nothing.
int send_control(int socket, const ControlMessage& message, int fd);

/// Receives a message and the descriptor that came with it (-1 = none). Returns errno; EPIPE when
/// the other side is gone. Allocates nothing.
int receive_control(int socket, ControlMessage& message, int& fd);

}  // namespace twinhull::linux_backend
