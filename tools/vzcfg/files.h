// Configuration files that an operator names on a command line.
#pragma once

#include <string>

#include "runtime/config/config_file.h"
#include "runtime/kernel/result.h"
#include "runtime/node/session.h"

namespace twinhull::tools {

/// The absolute path of a file that was named; a relative one starts in the directory that the
/// program was started in. Errors: invalid_argument (empty, or relative on a simulated node, where
/// commands have no directory).
Result<std::string> named_path(const Session& session, const std::string& name);

/// Where a configuration that is to be read lies. A bare name ("101.conf", "ve-basic.conf-sample")
/// that is no file of the directory that the program was started in is one of the node's
/// configuration directory; all else as named_path.
Result<std::string> configuration_path(Session& session, const std::string& name);

/// Reads it. Errors: not_found, corrupt (no configuration of a container: none of its keys is
/// there), those of Files::read and ConfigFile::parse.
Result<ConfigFile> read_configuration(Session& session, const std::string& path);

/// Whether two absolute paths name one file, by other spellings or links too.
Result<bool> same_file(Session& session, const std::string& a, const std::string& b);

}  // namespace twinhull::tools
