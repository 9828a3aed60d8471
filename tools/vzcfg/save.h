// Writing a configuration that an operator named.
#pragma once

#include <optional>
#include <string>

#include "runtime/config/config_file.h"
#include "runtime/kernel/result.h"
#include "runtime/node/session.h"

namespace twinhull::tools {

/// Writes it atomically; that of a container under the container's lock, so that no other operation
/// is disturbed. With `before` the file must still hold this ConfigFile::text().
/// Errors: in_progress (the container is locked), busy (changed meanwhile), those of
/// write_atomically and of recovery.
Status save_configuration(Session& session, const char* program, const std::string& path,
                          const ConfigFile& file, const std::optional<std::string>& before = {});

}  // namespace twinhull::tools
