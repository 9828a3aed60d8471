// The kernel's mount table.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// One line of /proc/self/mountinfo (proc(5)), its octal escapes undone.
struct MountEntry {
  std::uint64_t id = 0;
  std::uint64_t parent = 0;
  std::string device;   ///< "8:1"
  std::string root;     ///< what of the file system is mounted here
  std::string target;   ///< mount point
  std::string options;  ///< of this mount: "ro,nosuid"
  std::string type;     ///< "ext4"
  std::string source;   ///< "/dev/sda1"
  std::string super_options;

  /// Whether the mount, or its file system as a whole, is read-only.
  [[nodiscard]] bool read_only() const;
};

/// Undoes \040 and its kin.
std::string unescape_octal(std::string_view text);

/// Parses one line; std::nullopt for a line of another form.
std::optional<MountEntry> parse_mount_line(std::string_view line);

/// Parses the whole text of a mountinfo file. Error: corrupt (a line of another form).
Result<std::vector<MountEntry>> parse_mount_table(std::string_view text,
                                                  std::string_view operation);

/// Mounts of the calling process's mount namespace, in the order in which they were made.
Result<std::vector<MountEntry>> read_mount_table(std::string_view operation);

/// The path without symbolic links, as the mount table shows it. Errors: those of realpath(3).
Result<std::string> real_path(const std::string& path, std::string_view operation);

}  // namespace twinhull::linux_backend
