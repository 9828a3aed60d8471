// The control groups that a container has made below its own (systemd's slices and services).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// One group of a v2 tree as it was. CRIU makes the groups that hold processes again, but neither the
/// empty ones nor the controllers that a parent hands down, without which files that are watched
/// (memory.events) are missing.
struct NestedGroup {
  struct Setting {
    std::string file;   ///< "pids.max"
    std::string value;  ///< as read, one line
    bool operator==(const Setting&) const = default;
  };
  std::string path;  ///< below the container's group; empty = that group itself
  std::vector<Setting> settings;
  std::string controllers;  ///< cgroup.subtree_control: "memory pids"
  bool operator==(const NestedGroup&) const = default;
};

/// The group of directory `top` (its controllers alone) and all below it, parents first, in the
/// order of their names. Empty where `top` is none of a v2 tree. Errors: those of reading;
/// limit_exceeded (more than 4096).
Result<std::vector<NestedGroup>> read_nested_groups(const std::string& top,
                                                    std::string_view operation);

/// A shell script that makes them again below the group of directory `top`. It is for criu to run
/// (--action-script) once the restored init has its namespaces: before, init passes through `top`
/// itself, which the kernel refuses while `top` hands controllers down; afterwards files of the
/// groups are opened. What is there stays; a setting that this kernel does not know is left out; a
/// controller that cannot be handed down fails the script. Errors: corrupt (a path leads out).
Result<std::string> nested_script(const std::string& top, const std::vector<NestedGroup>& groups,
                                  std::string_view operation);

/// As lines of a text, and back; parse_nested_line() takes one line and tells whether it was one of
/// these, so that they can stand among others.
std::string nested_text(const std::vector<NestedGroup>& groups);
bool parse_nested_line(std::string_view line, std::vector<NestedGroup>& groups);

}  // namespace twinhull::linux_backend
