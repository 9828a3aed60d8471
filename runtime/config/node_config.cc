#include "runtime/config/node_config.h"

#include <fmt/format.h>

#include "runtime/config/quantity.h"
#include "runtime/config/setting_values.h"
#include "runtime/kernel/files.h"

namespace twinhull {

std::string substitute_veid(std::string_view pattern, CtId id) {
  std::string result;
  while (!pattern.empty()) {
    const std::size_t dollar = pattern.find('$');
    result += pattern.substr(0, dollar);
    if (dollar == std::string_view::npos) break;
    pattern.remove_prefix(dollar);
    std::size_t length = 0;
    if (pattern.starts_with("${VEID}"))
      length = 7;
    else if (pattern.starts_with("$VEID"))
      length = 5;
    if (length == 0) {
      result += '$';
      pattern.remove_prefix(1);
    } else {
      result += id.text();
      pattern.remove_prefix(length);
    }
  }
  return result;
}

namespace {

/// Numbers above 100 may become containers, whose recovery ends everything in their group.
void read_tools_group(SettingReader& read, NodeConfig& config) {
  constexpr std::uint64_t kLeastMemory = std::uint64_t{16} << 20;
  read.number("VZ_TOOLS_BCID", config.tools_group, 0, CtId::kFirstUsable - 1);
  const auto memory = read.text("VZ_TOOLS_MEMLIMIT");
  if (!memory || memory->empty()) return;
  const auto bytes = parse_quantity(*memory, QuantityUnit::bytes);
  if (!bytes) {
    read.refuse("VZ_TOOLS_MEMLIMIT", *memory, bytes.error());
  } else if (*bytes != 0 && *bytes < kLeastMemory) {
    read.refuse("VZ_TOOLS_MEMLIMIT", *memory, "no program runs in less than 16M; 0 = no limit");
  } else if (*bytes != 0 && *bytes != kUnlimited && config.tools_group == 0) {
    read.refuse("VZ_TOOLS_MEMLIMIT", *memory, "needs VZ_TOOLS_BCID, the group that is limited");
  } else {
    config.tools_memory = {*bytes == kUnlimited ? 0 : *bytes};
  }
}

}  // namespace

NodeConfig default_node_config(const Layout& layout) {
  NodeConfig config;
  const std::string data = layout.data_directory();
  config.lock_directory = data + "/lock";
  config.up_directory = layout.root + "/var/lib/vz/up";
  config.dump_directory = data + "/dump";
  config.actionlog_directory = data + "/actionlog";
  config.template_directory = data + "/template";
  config.root_pattern = data + "/root/$VEID";
  config.private_pattern = data + "/private/$VEID";
  config.log_file = layout.log_file();
  return config;
}

Result<NodeConfig> interpret_node_config(ConfigFile file, const Layout& layout) {
  NodeConfig config = default_node_config(layout);
  SettingReader read(file, layout.global_config());

  read.directory("LOCKDIR", config.lock_directory, 77);
  read.directory("DUMPDIR", config.dump_directory, 85);
  read.directory("ACTIONLOGDIR", config.actionlog_directory, 85);
  read.directory("TEMPLATE", config.template_directory, 24);
  read.directory("VE_ROOT", config.root_pattern, 22);
  read.directory("VE_PRIVATE", config.private_pattern, 23);
  read.directory("LOGFILE", config.log_file, 85);
  for (const auto& [key, pattern, code] : {std::tuple{"VE_ROOT", &config.root_pattern, 22},
                                           std::tuple{"VE_PRIVATE", &config.private_pattern, 23}}) {
    if (substitute_veid(*pattern, CtId{1}) == *pattern) {
      read.refuse(key, *pattern, "the path must contain $VEID, or all containers would share it",
                  code);
    }
  }
  read.yes_no("VIRTUOZZO", config.enabled);
  read.yes_no("DISK_QUOTA", config.disk_quota);
  read.yes_no("REMOVEMIGRATED", config.remove_migrated);
  read.yes_no("LOGGING", config.logging);
  read.yes_no("IPV6", config.ipv6);
  read.yes_no("USE_VENET_MASK", config.use_venet_mask);
  read.yes_no("ERROR_ON_ARPFAIL", config.error_on_arp_fail);
  read.yes_no("SKIP_ARPDETECT", config.skip_arp_detect);
  read.number("LOG_LEVEL", config.log_level, 0, 10);
  read.number("VERBOSE", config.verbose, 0, 10);
  read.number("VE0CPUUNITS", config.node_cpuunits.value, 8, 500000);
  read.number("VZ_TOOLS_IOLIMIT", config.tools_iolimit.value, 0, ~std::uint64_t{0} >> 1U);
  read_tools_group(read, config);
  read.number("VE_PARALLEL", config.parallel_starts, 0, 100000);
  if (const auto sample = read.text("CONFIGFILE"); sample && !sample->empty()) {
    config.default_sample = *sample;
  }
  if (const auto name = read.text("DEF_OSTEMPLATE")) {
    config.default_ostemplate = without_leading_dot(*name);
  }
  if (const auto mode = read.text("VE_STOP_MODE"); mode && !mode->empty()) {
    if (*mode != "stop" && *mode != "suspend") {
      read.refuse("VE_STOP_MODE", *mode, "accepted: stop, suspend", 85);
    }
    config.suspend_at_shutdown = *mode == "suspend";
  }
  if (const auto word = read.text("VE_RESUME_FAILED"); word && !word->empty()) {
    if (*word != "keep" && *word != "start") {
      read.refuse("VE_RESUME_FAILED", *word, "accepted: keep, start", 85);
    }
    config.start_unresumed = *word == "start";
  }
  if (read.error()) return *read.error();
  config.file = std::move(file);
  return config;
}

Result<NodeConfig> load_node_config(Kernel& kernel, const Layout& layout) {
  auto text = kernel.files().read(layout.global_config());
  if (!text) {
    if (text.error().code != ErrorCode::not_found) return std::move(text).error();
    return fail(ErrorCode::not_found, "config.load", layout.global_config(),
                "the global configuration does not exist")
        .with_exit_code(10)
        .with_hint("install the product's vz.conf there");
  }
  TH_ASSIGN(ConfigFile file, ConfigFile::parse(*text, layout.global_config()));
  return interpret_node_config(std::move(file), layout);
}

}  // namespace twinhull
