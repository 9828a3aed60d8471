// What the contract suite needs of a real machine: set up once, taken down completely.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backends/linux/linux_kernel.h"
#include "runtime/kernel/contract/stage.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// Two nodes on this machine, for tests. Everything lies below one directory /tmp/th-contract-…,
/// in a mount and a network namespace of this process, and in control groups of its own prefix.
class ContractMachine {
 public:
  /// Enters new namespaces with the calling thread, makes a file system with quota on a loop device
  /// and a template tree from busybox and `vzload`. `self` is run as `self --serve SERVICE TOP`
  /// for peers. The file system is the one that TWINHULL_CONTRACT_DISK names: btrfs (the default), ext4
  /// or xfs with project quota; with ext4 the calling thread gives CAP_SYS_RESOURCE up.
  /// Errors: not_permitted (not root), not_found (busybox), failed (a tool), invalid_argument.
  static Result<std::unique_ptr<ContractMachine>> set_up(const std::string& self,
                                                         const std::string& vzload);
  /// The peer's node of a machine that another process has set up at `top`, for its services.
  static Result<std::unique_ptr<Kernel>> open_peer(const std::string& top);
  /// Takes everything down, whatever happened before.
  ~ContractMachine();
  ContractMachine(const ContractMachine&) = delete;
  ContractMachine& operator=(const ContractMachine&) = delete;

  /// A stage on the two nodes; one at a time.
  Result<std::unique_ptr<contract::ContractStage>> make_stage();
  /// What is still there of the nodes: groups, mounts, processes, devices, records, files. Empty
  /// after cases that tidied up.
  [[nodiscard]] std::vector<std::string> leftovers() const;

 private:
  ContractMachine(std::string top, std::string self, std::string disk);
  Status prepare(const std::string& vzload);
  Status make_template(const std::string& vzload);
  Status make_quota_area();
  Status choose_scheduler();

  const std::string top_;  ///< "/tmp/th-contract-XXXXXX"
  const std::string self_;
  const std::string disk_;  ///< "btrfs", "ext4", "xfs"
  const std::string prefix_;  ///< of control groups
  std::string scheduler_file_;  ///< empty = left alone
  std::string earlier_scheduler_;
};

}  // namespace twinhull::linux_backend
