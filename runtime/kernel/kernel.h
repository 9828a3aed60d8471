// The seam: one node's kernel as a set of ports.
#pragma once

#include "runtime/kernel/result.h"

namespace twinhull {

class Clock;
class Files;
class Mounts;
class Processes;
class Cgroups;
class Quotas;
class Links;
class Channels;
class Checkpoints;
class Host;

/// One node's kernel. References stay valid as long as the Kernel. There is no global instance:
/// two or two hundred may live in one process.
class Kernel {
 public:
  virtual ~Kernel() = default;
  virtual Clock& clock() = 0;
  virtual Files& files() = 0;
  virtual Mounts& mounts() = 0;
  virtual Processes& processes() = 0;
  virtual Cgroups& cgroups() = 0;
  virtual Quotas& quotas() = 0;
  virtual Links& links() = 0;
  virtual Channels& channels() = 0;
  virtual Checkpoints& checkpoints() = 0;
  virtual Host& host() = 0;
};

}  // namespace twinhull
