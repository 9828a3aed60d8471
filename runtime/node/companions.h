// Commands that run beside this one, on the same node.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull {

/// Starts commands that run at the same time as the caller: processes of a real node, fibers of a
/// simulated one. They share nothing with it but the node, and go on when it is killed.
class Companions {
 public:
  /// What one has said since the last look, and how it ended.
  struct News {
    std::string out;
    std::string error;
    std::optional<int> exit_code;  ///< it has ended; 128 + signal when one ended it
    /// What its channels have sent so far; std::nullopt where nobody counts.
    std::optional<Bytes> sent;
  };
  virtual ~Companions() = default;

  /// Starts `argv`, whose first word is the caller's own command. Standard input is empty. Returns
  /// its number, ascending from 0. Errors: limit_exceeded, node_down.
  virtual Result<std::size_t> start(const std::vector<std::string>& argv) = 0;
  /// Never waits. Precondition: started, and not told as ended yet.
  virtual News look(std::size_t companion) = 0;
  /// Ctrl-C. Nothing for one that has ended.
  virtual void interrupt(std::size_t companion) = 0;
};

}  // namespace twinhull
