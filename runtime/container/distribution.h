// Distribution scripts: what must be done inside a container differs by its system (spec R8).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/container/context.h"
#include "runtime/kernel/processes.h"

namespace twinhull::container {

/// One action with its variables. They go through standard input with the script, so they show
/// neither in a command line nor in an environment: one of them may be a password.
struct DistributionAction {
  std::string name;  ///< "ADD_IP"
  std::vector<EnvironmentVariable> variables;
};

/// A distribution's configuration: which script does what.
struct Distribution {
  std::string name;  ///< "debian"
  ConfigFile file;
  /// File name below dists/scripts; std::nullopt when the distribution has none for the action.
  [[nodiscard]] std::optional<std::string> script(std::string_view action) const;
};

/// The names to try, in order: DISTRIBUTION (else OSTEMPLATE), the same without its last "-part"
/// again and again, "default".
std::vector<std::string> distribution_candidates(const CtSettings& settings);

/// The first candidate that has a file. Errors: not_found (exit 107) listing what was tried.
Result<Distribution> find_distribution(Context& context, const CtSettings& settings);

/// Where actions run.
struct ActionTarget {
  std::optional<ProcessRef> init;  ///< the running container …
  std::string root;                ///< … or a mounted root directory
};

/// Runs the actions in order with one start of a shell. Actions that the distribution has no
/// script for are skipped, unless `required`: then not_found (exit 108). Errors: failed with the
/// scripts' own words; not_found (exit 108) when a script file is missing.
Status run_distribution_actions(Context& context, const CtSettings& settings,
                                const ActionTarget& target,
                                const std::vector<DistributionAction>& actions, bool required);

/// `text` as one word of the shell.
std::string shell_quote(std::string_view text);

// The actions of network identity, with the variables of spec R8.
DistributionAction add_ip_action(const CtSettings& settings, bool starting);
DistributionAction del_ip_action(const std::vector<IpPrefix>& removed, const CtSettings& left);
DistributionAction set_hostname_action(const CtSettings& settings);
/// "inherit" takes the values of the node. Errors: those of Files::read.
Result<DistributionAction> set_dns_action(Context& context, const CtSettings& settings);

}  // namespace twinhull::container
