// Groups and processes of one case on one kernel; gone with it.
#pragma once

#include <string>
#include <vector>

#include "bench/fidelity/run_case.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/processes.h"
#include "runtime/kernel/result.h"

namespace twinhull::fidelity {

/// The group that holds all groups of a case.
inline constexpr auto kTop = "case";

/// Path of a case's group on the node.
inline std::string below(const std::string& path) { return std::string(kTop) + "/" + path; }

class Setting {
 public:
  explicit Setting(const Bed& bed) : bed_(bed) {}
  /// What cannot be removed now goes with the node.
  ~Setting() { static_cast<void>(clear()); }
  Setting(const Setting&) = delete;
  Setting& operator=(const Setting&) = delete;

  [[nodiscard]] Cgroups& groups() const { return bed_.kernel.cgroups(); }
  Status add(const std::string& path);
  /// Starts `argv` in the group, with the bed's root.
  Result<ProcessRef> run(const std::string& label, const std::string& group,
                         std::vector<std::string> argv);
  /// The same for `vzload arguments`.
  Result<ProcessRef> spawn(const std::string& label, const std::string& group,
                           const std::vector<std::string>& arguments);
  /// Kills everything and removes the groups.
  Status clear();

 private:
  const Bed& bed_;
  std::vector<std::string> made_;
  std::vector<ProcessRef> started_;
};

}  // namespace twinhull::fidelity
