// Channels to the services of the stage's other node.
#pragma once

#include <memory>
#include <string>

#include "runtime/kernel/channels.h"
#include "runtime/kernel/checkpoints.h"
#include "runtime/kernel/contract/containers.h"
#include "runtime/kernel/contract/stage.h"

namespace twinhull::contract {

/// How long a case waits for the other node.
inline constexpr Duration kPatience = seconds(30);

/// A channel to one of service_names(). Ends the case where there is none.
std::unique_ptr<Channel> connected(ContractStage& stage, const std::string& service);

/// The next message. Ends the case when there is none.
std::string next(Channel& channel);

/// A copy of the node's directory `from` as the new directory `to` of the peer.
void send_directory(ContractStage& stage, const std::string& from, const std::string& to);

/// A root on the peer with the files of `box`, mounted, and a group: what a migration has done when it
/// restores. The label there is "c2"; images are not named yet.
RestoreSpec root_at_peer(ContractStage& stage, const Box& box);

}  // namespace twinhull::contract
