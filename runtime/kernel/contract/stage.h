// Where a contract case plays: what each backend's test program provides.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "runtime/kernel/channels.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/kernel.h"
#include "runtime/kernel/result.h"

namespace twinhull::contract {

/// Two nodes of one backend that reach each other, fresh for each case. What a case makes is taken
/// away by the stage, with errors reported through `tear_down`.
class ContractStage {
 public:
  virtual ~ContractStage() = default;

  /// The node under test, in its present boot.
  virtual Kernel& kernel() = 0;
  /// Another node.
  virtual Kernel& peer() = 0;
  /// How `kernel` reaches `peer`.
  virtual PeerAddress peer_address() = 0;

  /// An empty durable directory on each node. The overlay may have its upper layer there, and it
  /// has room for at least 256 MiB.
  virtual std::string scratch() = 0;
  virtual std::string peer_scratch() = 0;
  /// A tree on the node with busybox's programs (/bin/sh and its applets in /bin, /sbin/init) and
  /// /bin/vzload, never changed: the lower layer of roots.
  virtual std::string template_tree() = 0;
  /// An empty directory in which Quotas has a mechanism; empty text when the node has none.
  virtual std::string quota_area() = 0;

  /// Starts whatever answers to a service of `contract/services.h` on `peer`.
  /// A connection to "vanish" must be lost without a close, one to "tree-vanish" half a second after
  /// it began to be a "tree-sink"; the peer serves again a moment later.
  /// Blocking calls of the peer's side go on while the node's side waits.
  virtual Status serve_contract_services() = 0;

  /// Cuts the node's power and boots it again: kernel() is then another object.
  /// Only called on a stage whose StageKind says so.
  virtual Status power_cycle() = 0;

  /// How many times longer than usual a case waits for what another program does, on a machine that
  /// is known to be slow. Amounts and counters are the same everywhere.
  virtual int slowness() { return 1; }

  /// Ends everything that the case left; an error names what could not be taken away.
  virtual Status tear_down() = 0;
};

/// What a backend's stages have in common.
struct StageKind {
  std::string name;  ///< "sim", "linux"
  std::function<Result<std::unique_ptr<ContractStage>>()> make;
  bool can_cut_power = false;
};

}  // namespace twinhull::contract
