// Which init has which label: small files on a volatile file system.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/kernel/processes.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// Records DIRECTORY/LABEL.init, each "PID START_TIME BOOT_ID". Written whole or not at all. A
/// record whose process is gone counts as absent, and is removed when it is met. Writers and
/// removers exclude each other through a lock on the directory.
class InitRecords {
 public:
  explicit InitRecords(std::string directory) : directory_(std::move(directory)) {}

  /// Errors: already_running (a live process has the label), and those of the file system.
  Status add(const std::string& label, ProcessRef init);
  /// The live process of a label.
  Result<std::optional<ProcessRef>> find(const std::string& label);
  /// All live ones, by label.
  Result<std::vector<LabeledProcess>> list();
  /// Removes the records of a process that is gone or was never executed.
  Status remove(ProcessRef init);

 private:
  /// What a record says, std::nullopt when there is none or it is none of this boot.
  Result<std::optional<ProcessRef>> read(const std::string& path);
  Result<std::string> boot_id();
  Result<int> lock();
  Result<std::vector<std::string>> labels();
  [[nodiscard]] std::string path_of(const std::string& label) const;

  const std::string directory_;
};

/// Whether a label is 1 to 64 of [A-Za-z0-9._-], and neither "." nor "..".
bool valid_label(std::string_view label);

}  // namespace twinhull::linux_backend
