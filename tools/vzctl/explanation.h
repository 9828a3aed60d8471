// What `vzctl explain` prints.
#pragma once

#include <string>

#include "runtime/container/explain.h"

namespace twinhull::tools::ctl {

/// For people: a block of lines a limit; lines that would say nothing are left out.
std::string explanation_text(const container::ExplainedContainer& explained);

/// {"ctid", "name", "status", "limits": [{"parameter", "origin", "source", "asked", "kept",
/// "meaning", "used", "hit"}]}; what is not known is null.
std::string explanation_json(const container::ExplainedContainer& explained);

}  // namespace twinhull::tools::ctl
