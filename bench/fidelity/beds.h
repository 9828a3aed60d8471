// A simulated and a real node with the same shape, ready to run cases.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "bench/fidelity/run_case.h"
#include "runtime/kernel/result.h"

namespace twinhull::fidelity {

/// Owns a node.
class OwnedBed {
 public:
  virtual ~OwnedBed() = default;
  [[nodiscard]] virtual Bed bed() = 0;
};

/// A node of a fresh world with two CPUs, which shares CPU time as the kernel of this release does.
/// Errors: invalid_argument (no such release).
Result<std::unique_ptr<OwnedBed>> make_simulated_bed(const std::string& release);

/// What a real node keeps its files on.
enum class RealDisk : std::uint8_t {
  plain,  ///< a directory of the machine's
  own,    ///< a loop device, scheduled by bfq where the kernel has it: disk limits and weights act
};

/// A node on the real kernel. While a case is measured, the node's groups weigh 256 times as much
/// as an ordinary task (cpu.shares 262144), and the calling program runs under SCHED_FIFO so that
/// its looks at the accounts are not late. Errors: not_permitted (not root), not_supported.
Result<std::unique_ptr<OwnedBed>> make_real_bed(RealDisk disk);

/// "Linux 6.18.44 x86_64, 2 CPUs, 250 Hz": what the figures depend on.
std::string describe_machine();
/// "6.18.44": of the kernel that runs here.
std::string kernel_release();

}  // namespace twinhull::fidelity
