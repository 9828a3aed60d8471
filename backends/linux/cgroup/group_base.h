// What the v1 and v2 drivers of control groups share.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/linux/cgroup/layout.h"
#include "backends/linux/cgroup/tree.h"
#include "runtime/kernel/cgroups.h"

namespace twinhull::linux_backend {

/// Whether `path` is a CgroupPath as its header says.
bool valid_group_path(std::string_view path);

/// CPU shares in the scale of v2 (1…10000), and back. The way back rounds.
std::uint64_t weight_of(CpuShares shares);
CpuShares shares_of(std::uint64_t weight);

/// Value of `key` in a file of "key value" lines (memory.stat, pids.events); std::nullopt if absent.
std::optional<std::uint64_t> keyed_value(std::string_view text, std::string_view key);

/// Numbers in a file with one a line (cgroup.procs).
std::vector<std::int32_t> parse_pids(std::string_view text);

/// Errors, checks and files common to the drivers.
class GroupBase : public Cgroups {
 public:
  GroupBase(std::string prefix, CgroupLayout layout, std::unique_ptr<CgroupTree> tree)
      : prefix_(std::move(prefix)), layout_(std::move(layout)), tree_(std::move(tree)) {}

  Result<Effect> create(const CgroupPath& path) override;
  Result<Effect> remove(const CgroupPath& path) override;
  Result<std::vector<std::string>> children(const CgroupPath& parent) override;
  Result<std::vector<ProcessRef>> processes(const CgroupPath& path) override;

 protected:
  /// Bound of a retry loop, and its step.
  static constexpr Duration kPatience = milliseconds(500);
  static constexpr Duration kStep = milliseconds(2);

  static Error error(ErrorCode code, std::string_view call, const CgroupPath& path,
                     std::string_view detail);
  /// Error for `number` from `file`; common codes fit the header's common errors.
  static Error file_error(std::string_view call, const CgroupPath& path, std::string_view file,
                          int number);

  /// Group directory below a mount; an empty path is the node's prefix.
  [[nodiscard]] std::string below(const std::string& mount, const CgroupPath& path) const;
  /// Refuses a malformed path, and a group that does not exist.
  Status require(std::string_view call, const CgroupPath& path);
  Status write(std::string_view call, const CgroupPath& path, const std::string& file,
               std::string_view text);
  Result<std::string> read(std::string_view call, const CgroupPath& path, const std::string& file);
  /// A file of one number; "max" = kUnlimited.
  Result<std::uint64_t> read_number(std::string_view call, const CgroupPath& path,
                                    const std::string& file);

  /// Mounts in which each group has a directory; the first decides whether a group is ours.
  [[nodiscard]] virtual std::vector<std::string> mounts() const = 0;
  /// Makes one directory fit for processes: `mount` is one of mounts().
  virtual Status prepare(const std::string& mount, const std::string& directory,
                         const CgroupPath& path) = 0;
  /// Whether a child directory was made through this port, not by programs in the container.
  virtual bool ours(const std::string& directory) = 0;
  /// A file that lists the group's own processes, relative to its directory in mounts().front().
  static constexpr const char* kProcs = "/cgroup.procs";

  [[nodiscard]] const CgroupLayout& layout() const { return layout_; }
  CgroupTree& tree() { return *tree_; }
  const std::string& prefix() const { return prefix_; }

 private:
  Status make_prefix(std::string_view call);
  Result<Effect> make_in(const std::string& mount, const CgroupPath& path);
  /// Removes `directory` with the groups that programs left in it. Returns errno.
  int remove_directory(const std::string& directory);
  void collect(const std::string& directory, std::vector<std::int32_t>& pids);

  const std::string prefix_;
  const CgroupLayout layout_;
  const std::unique_ptr<CgroupTree> tree_;
};

}  // namespace twinhull::linux_backend
