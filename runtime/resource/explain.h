// Why a container is limited as it is: for each limit what was asked, by whom, what the kernel
// keeps, what it means, what is used and what it has done so far.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/config/ct_settings.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/quotas.h"

namespace twinhull::resource {

/// Where a setting comes from, nearest first.
enum class Origin : std::uint8_t {
  live,       ///< vzctl set without --save: until the container stops
  container,  ///< CTID.conf, by its operator
  sample,     ///< CTID.conf, unchanged since it was copied from the sample
  node,       ///< vz.conf
  builtin,    ///< nobody said anything: the product's default
};
std::string_view to_string(Origin origin);

/// One limit, for people. Texts are empty where there is nothing to say.
struct Explanation {
  std::string parameter;  ///< option of vzctl set, without dashes
  Origin origin = Origin::builtin;
  std::string source;     ///< the file, line and words: `/etc/vz/conf/101.conf line 7, CPULIMIT="50"`
  std::string asked;      ///< "50 %"
  std::string kept;       ///< what the kernel holds; empty unless the container runs
  std::string meaning;    ///< in plain words
  std::string used;       ///< now, or since the start
  std::string hit;        ///< what the limit did since the start: throttled, refused, killed
};

/// All that an explanation is made of. References must outlive the call.
struct ExplainFacts {
  const CtSettings& settings;    ///< in force: live changes over CTID.conf
  const ConfigFile& effective;   ///< the text that `settings` was read from
  const ConfigFile& saved;       ///< CTID.conf
  std::string saved_path;
  const ConfigFile* sample = nullptr;  ///< of ORIGIN_SAMPLE, when it still exists
  const NodeConfig& node;
  std::string node_path;
  const HostInfo& host;
  std::optional<CgroupLimits> kept{};  ///< of the running container
  std::optional<CgroupSample> sampled{};
  std::optional<Duration> uptime{};
  std::optional<TreeUsage> disk{};     ///< empty when nothing counts it
  QuotaMechanism mechanism = QuotaMechanism::none;
};

/// Parameters that can be explained, in the order of explain().
std::vector<std::string_view> explained_parameters();

/// The limits of one container, those that are set or that act. `wanted` empty = all of them, else
/// these parameters, set or not. Precondition: `wanted` holds names of explained_parameters().
std::vector<Explanation> explain(const ExplainFacts& facts,
                                 const std::vector<std::string>& wanted = {});

}  // namespace twinhull::resource
