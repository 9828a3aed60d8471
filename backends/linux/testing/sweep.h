// Finds and removes what test nodes leave.
#pragma once

#include <string>
#include <string_view>

#include "runtime/kernel/result.h"

namespace twinhull::linux_backend::testing {

/// Prefix of the groups of test nodes: "twinhull-test-<pid>-<name>".
inline constexpr std::string_view kGroupPrefix = "twinhull-test-";
/// Prefix of their directories in /tmp: "th-<pid>-<name>-XXXXXX".
inline constexpr std::string_view kDirectoryPrefix = "th-";

/// The process that made an object of this name; 0 for a name of another form.
int owner_of(std::string_view name, std::string_view prefix);

/// Kills every process of the group `prefix` in every hierarchy, and removes the group with all
/// below it. Nothing there is no error. Errors: busy (processes that do not go within 5 seconds).
Status remove_groups(const std::string& prefix);

/// Takes off all mounts at or below `directory` (lazily: nothing of a test may hold the rest back)
/// and removes the directory. The lxcfs of a node there ends with its mount.
Status remove_directory(const std::string& directory);

/// Removes what test processes left that are dead now. Objects of live processes stay.
Status sweep();

}  // namespace twinhull::linux_backend::testing
