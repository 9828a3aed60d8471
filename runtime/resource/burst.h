// Burst control (spec F4.6): whether a container has used so much CPU time for so long that a lower
// limit is due, and when its own limit may return. Pure: readings in, a decision out.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/config/ct_settings.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/processes.h"
#include "runtime/kernel/units.h"

namespace twinhull::resource {

/// CPU time that a container had used up to one instant.
struct CpuReading {
  Instant at;
  Duration usage{0};
  bool operator==(const CpuReading&) const = default;
};

/// Readings of one life of a container, oldest first, times ascending.
struct BurstRecord {
  ProcessRef init;  ///< whose life it is: a restarted container begins anew
  std::vector<CpuReading> readings;
  bool operator==(const BurstRecord&) const = default;
};

/// Adds a reading and lets go of what lies before the window. Readings of another init, and those
/// after which the usage went back, are forgotten; one at the time of the last (a clock that stood
/// still) replaces it. At most some 70 are kept, however often it is called.
/// Precondition: `window` ≥ 1 s.
void take_reading(BurstRecord& record, ProcessRef init, CpuReading reading, Duration window);

/// Average use in 1/100 % of one CPU from the first to the last reading; std::nullopt until they
/// span the window, so that a start is no burst.
std::optional<std::uint64_t> average_use(const BurstRecord& record, Duration window);

/// What 100 % of BURST_CPU_AVG_USAGE is, in % of one CPU: the CPU limit, or the whole node where
/// there is none or a larger one. Errors: as cpu_limit_percent (MHz on an unknown CPU).
Result<std::uint64_t> burst_reference(const CtSettings& settings, const HostInfo& host);

enum class BurstDecision : std::uint8_t { keep, impose, release };

/// Imposes above BURST_CPU_AVG_USAGE and releases below 9/10 of it: a container at the threshold
/// does not go to and fro. The average moves on while the burst limit is in force, so that a
/// container that never rests is held to about BURST_CPU_AVG_USAGE in the long run.
/// `average_hundredths` is in 1/100 % of burst_reference(); without it only a control that was
/// switched off releases.
BurstDecision decide_burst(const CtSettings& settings,
                           std::optional<std::uint64_t> average_hundredths);

/// What vzasysd knows between two looks.
struct BurstState {
  std::string boot;  ///< Host::boot_id: readings of another boot are void
  std::map<CtId, BurstRecord> records;
  bool operator==(const BurstState&) const = default;
};

/// Text of a state and back; std::nullopt for text that is none (damaged, of another version).
std::string burst_state_text(const BurstState& state);
std::optional<BurstState> parse_burst_state(std::string_view text);

}  // namespace twinhull::resource
