// The command that leads to a peer.
#pragma once

#include <string>
#include <vector>

#include "backends/linux/linux_kernel.h"
#include "runtime/kernel/channels.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// Refuses what a program could take for an option or a shell for more than a word: users, hosts
/// and services are made of [A-Za-z0-9._:%-] and do not begin with '-'. Error: invalid_argument.
Status check_peer(const PeerAddress& peer, const std::string& service);

/// argv that starts `service` on `peer` and speaks on its standard streams: the peer table's
/// command with "{service}" and "{user}" replaced, else ssh with the options of both. Precondition: check_peer passed.
std::vector<std::string> carrier_command(const NodeOptions& options, const PeerAddress& peer,
                                         const std::string& service);

}  // namespace twinhull::linux_backend
