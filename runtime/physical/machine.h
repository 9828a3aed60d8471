// A physical machine as its kernel shows it: its system, its disks, and what of its files a
// container made of it has no use for (spec F9.7, F9.8).
#pragma once

#include <string>
#include <vector>

#include "runtime/kernel/files.h"
#include "runtime/kernel/kernel.h"
#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull::physical {

/// One mounted file system of a disk.
struct Partition {
  std::string place;  ///< where it is mounted
  std::string file_system;
  Bytes capacity;
  Bytes used;
  Inodes inodes;  ///< in use; 0 = the file system counts none
};

/// The one of "/" first, then the others of disks in mount order, each once. Memory, network and
/// pseudo file systems, and what lies in layers over others, are none.
Result<std::vector<Partition>> partitions(Kernel& kernel);
/// What they hold together.
TreeSize contents(const std::vector<Partition>& partitions);

/// The directories of the tree `top`, relative to it, whose content does not become the
/// container's: what the kernel makes anew (proc, sys, dev, run), tmp, the machine's own kernel
/// (boot), mounts that are no disk of it, and its containers (vz) when the machine is a node
/// itself.
Result<std::vector<std::string>> left_out(Kernel& kernel, const std::string& top);

/// What the system in a tree says of itself.
struct SystemFacts {
  std::string distribution;  ///< "debian-12"; empty = it does not say
  std::string hostname;      ///< of /etc/hostname; empty = it does not say
};

/// Reads it as its own root would: no link leads out of `top`. Errors: not_found (exit 5: neither
/// /sbin/init nor /bin/sh, or no such directory), not_directory (exit 5).
Result<SystemFacts> look_at_system(Files& files, const std::string& top);

}  // namespace twinhull::physical
