// What a source does with a container whose migration was cut off at its commit.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/container/context.h"
#include "runtime/kernel/channels.h"
#include "runtime/migrate/arrival.h"
#include "runtime/migrate/message.h"

namespace twinhull::migrate {

/// For Context::handlers of every command that changes containers. The journal "migrate" of the
/// source exists from just before the commit on: while the destination's answer is unknown the
/// container belongs to nobody here. The handler asks the destination and lets go of the container,
/// or keeps it. Errors: unreachable and the like while the destination cannot be asked; the
/// container then stays as it is, for running it could run it twice.
container::RecoveryHandler recovery_handler();

/// Whether a migration of this node waits for its destination to be asked: then the next command on
/// that container needs channels. Errors: those of load_node_config and Files.
Result<bool> has_open_departure(Kernel& kernel, const Layout& layout);

/// What tells one node from another: boot and place of its files.
Result<std::string> node_identity(container::Context& context);

/// How the connection to the peer of a migration is made; says hello.
struct PeerConnection {
  std::unique_ptr<Channel> channel;
  std::string identity;
};
Result<PeerConnection> connect_peer(container::Context& context, const PeerAddress& peer);

/// What became of a container whose commit was not answered.
struct CommitOutcome {
  bool adopted = false;
  std::string problem;  ///< why it is not in the wished state there, or was given back
};

/// Asks the peer whether it took the container over; several tries while it is busy or away. With
/// `wished` it also brings the container into that state. `recovering`: the command that wished it
/// is gone, and its operator there may have stopped it on purpose; then only processes that still
/// wait in the dump that they came in are resumed.
Result<CommitOutcome> ask_outcome(container::Context& context, const PeerAddress& peer,
                                  CtId id_there, const std::string& token, int tries,
                                  std::optional<FinalState> wished, bool recovering = false);

/// The journal of a source at its commit: what is needed to ask, and the steps that let go.
Intent departure_intent(const PeerAddress& peer, CtId id_there, const std::string& token,
                        std::vector<Step> let_go);

/// The destination has the container: makes that durable here, lets go and clears the journal.
/// Tells the peer that its receipt is no longer needed, when it can be reached.
Status let_go(container::Context& context, CtId id, Intent intent, Channel* channel);

}  // namespace twinhull::migrate
