// What a machine uses, watched for a while, and the container that would suit it (spec F9.5).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/kernel/host.h"
#include "runtime/kernel/kernel.h"
#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"
#include "runtime/physical/machine.h"

namespace twinhull::physical {

struct Level {
  std::uint64_t average = 0;
  std::uint64_t peak = 0;
};

struct Profile {
  HostInfo host;
  Duration period{};          ///< for so long it was watched
  std::uint64_t samples = 0;  ///< intervals
  Level cpu;                  ///< per cent of one CPU, in hundredths; of each interval
  Level memory;               ///< bytes that cannot be had back without swapping
  Level swap;                 ///< bytes
  Level processes;
  Level threads;
  Level received;  ///< bytes a second over all its network devices but loopback and bridges
  Level sent;
  std::vector<Partition> partitions;  ///< at the end
};

struct Watch {
  Duration period = seconds(60);
  Duration interval = seconds(5);  ///< at least kLeastInterval, at most the period
};
inline constexpr Duration kLeastInterval = milliseconds(100);
inline constexpr Duration kLongestWatch = std::chrono::hours(24 * 31);

/// Watches this machine; returns after the period. Errors: invalid_argument (the watch),
/// interrupted, those of the ports.
Result<Profile> watch_machine(Kernel& kernel, const Watch& watch);

/// A container's configuration with room for what was seen, as text with the figures as comments:
/// CPULIMIT and NUMPROC half above the peak, PHYSPAGES and SWAPPAGES a quarter, DISKSPACE and
/// DISKINODES a fifth (hard limits a tenth more); floors are those of a small server. CPULIMIT is
/// left out of what was watched for less than a minute. What the network carried is told only. The
/// factors are this implementation's: spec F9.5 names none.
std::string suggested_config(const Profile& profile);

/// Soft limits of a disk that holds `size` with room to grow; hard ones are a tenth above.
struct DiskRoom {
  std::uint64_t kibibytes = 0;
  std::uint64_t inodes = 0;
};
DiskRoom disk_room(const TreeSize& size);

}  // namespace twinhull::physical
