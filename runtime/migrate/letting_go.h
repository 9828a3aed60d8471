// What the source does with a container that lives elsewhere now.
#pragma once

#include <span>
#include <vector>

#include "runtime/config/ct_settings.h"
#include "runtime/container/context.h"
#include "runtime/container/scripts.h"
#include "runtime/kernel/result.h"
#include "runtime/node/step.h"

namespace twinhull::migrate {

/// The steps that let go of it, in an order that never leaves something that looks like a
/// container. `scripts`: its action scripts that exist. `remove`: nothing is kept; else configuration and area get other names. Errors: those
/// of Files.
Result<std::vector<Step>> letting_go_steps(container::Context& context, const CtSettings& settings,
                                           std::span<const container::ScriptFile> scripts,
                                           bool remove);

}  // namespace twinhull::migrate
