// What an operator does after an accident.
#pragma once

#include <string>
#include <vector>

#include "scenarios/engine/picture.h"
#include "scenarios/engine/player.h"

namespace twinhull::scenario {

/// Whether a command's exit code says that its wish has come true already, beside 0: start on a
/// running container, stop of a stopped one, create of one that exists, destroy or migration of one
/// that is gone, mount of a mounted one, umount of one that is not, deletion of a deleted address.
bool already_done(const std::vector<std::string>& argv, int code);

/// Gets every container back that was up or mounted, and touches the others, so that what was half
/// done is rolled back or forward. `earlier`: before the accident; `wanted`: what the command was to
/// reach. Errors: failed (a container that was up does not come up), those of the stage.
Status recover(Player& player, const NodeTraces& earlier, const Picture& wanted);

}  // namespace twinhull::scenario
