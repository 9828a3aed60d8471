// The settable parameters of a container: one table for `vzctl create` and `vzctl set` (spec R4).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/config/ct_settings.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/result.h"

namespace twinhull {

/// One change of CTID.conf.
struct KeyChange {
  std::string key;
  std::optional<std::string> value;  ///< std::nullopt = remove the key
  bool operator==(const KeyChange&) const = default;
};

/// What a parameter is about: decides what must be done to apply it live.
enum class ParameterArea : std::uint8_t {
  identity,
  life,
  cpu,
  memory,
  disk,
  network,
  privilege,
  password
};

/// What a value is checked against.
struct ParameterContext {
  const CtSettings& current;  ///< the settings before the change
  const NodeConfig& node;
  std::optional<HostInfo> host;  ///< without it CPU numbers are not checked against the node
  /// CTID.conf before the change: decides whether a resource differs. Without it every resource
  /// that is named counts as changed.
  const ConfigFile* file = nullptr;
};

struct Parameter {
  std::string_view option;  ///< "cpuunits", without dashes
  std::vector<std::string_view> aliases = {};
  std::string_view key;     ///< main key of CTID.conf; empty for userpasswd
  std::string_view syntax;  ///< what is accepted: for help and messages
  ParameterArea area = ParameterArea::identity;
  bool repeatable = false;  ///< may be given several times; each value may be a list
  bool needs_save = false;  ///< refused without --save
  bool live = true;         ///< false: a running container takes it at its next start
  bool resource = false;    ///< a change sets CONFIG_CUSTOMIZED=yes
  /// Turns the values into changes. Errors: invalid_argument with exit 21 or the parameter's own
  /// code (70 host name, 71 address, 72 name server, 73 search domain, 137 name, 146 CPU mask).
  Result<std::vector<KeyChange>> (*parse)(const Parameter& self,
                                          std::span<const std::string> values,
                                          const ParameterContext& context) = nullptr;
};

/// All parameters, by option.
std::span<const Parameter> parameters();
/// By option or alias, with or without leading dashes, '_' = '-'. nullptr when unknown.
const Parameter* find_parameter(std::string_view option);

/// One option of the command line with its values in order.
struct ParameterRequest {
  std::string option;
  std::vector<std::string> values;
};

/// The changes that all requests make together, in order, each key once; `current` is taken
/// forward, and --ipdel acts before --ipadd, so --ipdel all --ipadd X replaces. Adds
/// CONFIG_CUSTOMIZED=yes when a resource differs from before. userpasswd yields no change: the
/// caller applies it. Errors: invalid_argument: exit 19 (unknown parameter, with the nearest
/// names), 20 (value missing or given twice), 21 and the parameters' own codes.
Result<std::vector<KeyChange>> parse_parameters(std::span<const ParameterRequest> requests,
                                                const ParameterContext& context);

/// One request alone, without the CONFIG_CUSTOMIZED rule.
Result<std::vector<KeyChange>> parse_parameter(std::string_view option,
                                               std::span<const std::string> values,
                                               const ParameterContext& context);

/// What the operator must be told of values that are taken in another form than they were given.
/// Requests that are wrong yield nothing: parse_parameters refuses them.
std::vector<std::string> parameter_notes(std::span<const ParameterRequest> requests);

/// Puts the changes into a file. Errors: those of ConfigFile::set.
Status apply_changes(ConfigFile& file, std::span<const KeyChange> changes);

}  // namespace twinhull
