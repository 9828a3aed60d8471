// The effective settings of one container (spec R4): CTID.conf over vz.conf, typed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/config/config_file.h"
#include "runtime/config/node_config.h"
#include "runtime/config/quantity.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/processes.h"
#include "runtime/kernel/units.h"

namespace twinhull {

/// A hard cap as the operator states it (spec F4.5). `value` is never 0: no cap is std::nullopt.
struct CpuLimitSetting {
  enum class Unit : std::uint8_t { percent, megahertz };
  Unit unit = Unit::percent;  ///< percent of one CPU: two CPUs = 200
  std::uint64_t value = 0;
  bool operator==(const CpuLimitSetting&) const = default;
};

/// CPUMASK: "all" is an absent setting, "auto" and lists are these (spec F4.7).
struct CpuMaskSetting {
  bool automatic = false;
  CpuSet cpus;  ///< empty when automatic
  bool operator==(const CpuMaskSetting&) const = default;
};

/// Why vzasysd holds a running container to its burst limit (spec F4.6).
struct BurstImposed {
  std::uint64_t average_hundredths = 0;  ///< average use then, in 1/100 % of the container's limit
  Duration window{0};                    ///< over this time
  bool operator==(const BurstImposed&) const = default;
};

/// One entry of CAPABILITY or FEATURES: "net_admin:on".
struct Switch {
  std::string name;  ///< lower case
  bool on = false;
  bool operator==(const Switch&) const = default;
};

/// The largest CPULIMIT and BURST_CPULIMIT, % of one CPU: 8192 CPUs, so that nothing real is refused.
inline constexpr std::uint64_t kMostCpuPercent = 819200;
/// The largest BURST_CPU_AVG_USAGE: no container uses more than all of its limit.
inline constexpr std::uint64_t kMostBurstAverage = 100;

/// The largest IOLIMIT, bytes a second (spec F4.28).
inline constexpr std::uint64_t kMostIoLimit = std::uint64_t{2} << 30;

/// Everything that is set for one container now. Values that no file states hold the product's
/// defaults; std::optional marks what may be unset.
struct CtSettings {
  CtId id;
  // Identity.
  std::string name;
  std::string description;
  std::string uuid;
  std::string type = "regular";  ///< VE_TYPE
  std::string ostemplate;        ///< without the leading dot
  std::string distribution;
  std::string origin_sample;
  bool config_customized = false;
  std::vector<std::string> templates;  ///< application templates, without leading dots
  // Places, $VEID replaced.
  std::string root;
  std::string private_area;
  [[nodiscard]] std::string upper() const { return private_area + "/fs"; }
  [[nodiscard]] std::string work() const { return private_area + "/work"; }
  // Life.
  std::optional<bool> onboot;
  std::optional<std::uint64_t> bootorder;
  std::optional<std::string> autostop;  ///< "stop" or "suspend"
  bool disabled = false;
  Duration stop_timeout = seconds(120);
  std::vector<EnvironmentVariable> environment;  ///< VE_ENVIRONMENT
  // CPU.
  CpuUnits cpuunits{1000};
  std::optional<CpuLimitSetting> cpulimit;
  std::optional<std::uint32_t> cpus;
  std::optional<CpuMaskSetting> cpumask;
  std::optional<CpuMaskSetting> nodemask;
  /// BURST_CPU_AVG_USAGE: the average use, in % of the CPU limit or, without one, of the whole node,
  /// above which vzasysd imposes `burst_cpulimit`; 0 = never.
  std::uint64_t burst_average = 0;
  std::uint64_t burst_cpulimit = 0;  ///< BURST_CPULIMIT: % of one CPU; 0 = none
  /// Only of a running container and never in CTID.conf: the burst limit is in force.
  std::optional<BurstImposed> burst_imposed;
  /// Both of the burst parameters are there: one alone does nothing.
  [[nodiscard]] bool burst_controlled() const { return burst_average != 0 && burst_cpulimit != 0; }
  /// The burst limit that is in force now, in % of one CPU.
  [[nodiscard]] std::optional<std::uint64_t> acting_burst_limit() const {
    if (!burst_imposed || !burst_controlled()) return std::nullopt;
    return burst_cpulimit;
  }
  // Memory and counts. Keys in lower case ("numproc", "kmemsize"), values in the key's own unit.
  std::map<std::string, BarrierLimit, std::less<>> beancounters;
  std::optional<BarrierLimit> physpages;  ///< pages
  std::optional<BarrierLimit> swappages;  ///< pages
  std::optional<std::uint64_t> vm_overcommit_thousandths;
  /// VSwap container: PHYSPAGES has a limit (spec F4.13).
  [[nodiscard]] bool vswap() const { return physpages && physpages->limit != kUnlimited; }
  /// Limits in pages; std::nullopt = unlimited.
  [[nodiscard]] std::optional<Pages> ram() const;
  [[nodiscard]] std::optional<Pages> swap() const;
  [[nodiscard]] std::optional<std::uint64_t> numproc() const;
  // Disk.
  bool disk_quota = true;                  ///< DISK_QUOTA of the container, else of the node
  std::optional<BarrierLimit> diskspace;   ///< KiB, soft:hard
  std::optional<BarrierLimit> diskinodes;  ///< soft:hard
  std::optional<std::uint64_t> quotatime;  ///< seconds
  std::optional<std::uint64_t> quotaugidlimit;
  std::optional<std::uint32_t> ioprio;   ///< 0…7
  std::optional<std::uint64_t> iolimit;  ///< bytes/s, 0 = none
  std::optional<std::uint64_t> iopslimit;  ///< operations/s, 0 = none
  // Network.
  std::string hostname;
  std::vector<IpPrefix> addresses;       ///< as written, in order; without "0.0.0.0"
  std::vector<std::string> nameservers;  ///< or the single word "inherit"
  std::vector<std::string> searchdomains;
  // Privileges.
  std::vector<Switch> capabilities;
  std::vector<Switch> features;
};

/// Key of the live settings (LOCKDIR/CTID.live) that says that the burst limit is in force, and its
/// text: "AVERAGE_HUNDREDTHS SECONDS".
inline constexpr std::string_view kBurstImposedKey = "BURST_IMPOSED";
std::string burst_imposed_text(const BurstImposed& imposed);

/// CTID.conf and what it means.
struct ContainerConfig {
  ConfigFile file;
  CtSettings settings;
};

/// The typed meaning of `file` over the node's defaults. `path` is used in messages.
/// Errors: corrupt (exit 85) naming the file, key, value and what is accepted.
Result<CtSettings> interpret_ct_settings(const ConfigFile& file, const NodeConfig& node, CtId id,
                                         std::string_view path);

/// Reads CTID.conf. Errors: not_found (exit 14), corrupt (exit 85), those of Files::read.
Result<ContainerConfig> load_container_config(Kernel& kernel, const Layout& layout,
                                              const NodeConfig& node, CtId id);
/// The settings alone.
Result<CtSettings> load_ct_settings(Kernel& kernel, const Layout& layout, const NodeConfig& node,
                                    CtId id);
/// Writes CTID.conf atomically and durably. Errors: those of write_atomically (exit 139).
Status save_container_config(Kernel& kernel, const Layout& layout, CtId id, const ConfigFile& file);

/// Reads a sample configuration. Errors: not_found (exit 82) listing the samples that exist,
/// corrupt (exit 85).
Result<ConfigFile> load_sample(Kernel& kernel, const Layout& layout, const std::string& name);

}  // namespace twinhull
