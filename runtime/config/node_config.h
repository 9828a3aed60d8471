// The global configuration of a node: vz.conf (spec R5).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "runtime/config/config_file.h"
#include "runtime/config/layout.h"
#include "runtime/kernel/kernel.h"
#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull {

/// What vz.conf says, defaults filled in. Default directories lie below Layout::root; a directory
/// that vz.conf states is taken literally.
struct NodeConfig {
  bool enabled = true;                   ///< VIRTUOZZO
  std::string lock_directory;            ///< LOCKDIR, default ROOT/vz/lock
  std::string up_directory;              ///< ROOT/var/lib/vz/up
  std::string dump_directory;            ///< DUMPDIR, default ROOT/vz/dump
  std::string actionlog_directory;       ///< ACTIONLOGDIR, default ROOT/vz/actionlog
  std::string template_directory;        ///< TEMPLATE, default ROOT/vz/template
  std::string root_pattern;              ///< VE_ROOT with $VEID, default ROOT/vz/root/$VEID
  std::string private_pattern;           ///< VE_PRIVATE with $VEID, default ROOT/vz/private/$VEID
  std::string default_sample = "basic";  ///< CONFIGFILE
  std::string default_ostemplate;        ///< DEF_OSTEMPLATE without its leading dot; may be empty
  bool disk_quota = true;                ///< DISK_QUOTA
  bool remove_migrated = false;          ///< REMOVEMIGRATED
  bool logging = true;                   ///< LOGGING
  std::string log_file;                  ///< LOGFILE, default ROOT/var/log/vzctl.log
  std::uint64_t log_level = 0;           ///< LOG_LEVEL 0…10
  std::uint64_t verbose = 0;             ///< VERBOSE
  bool ipv6 = true;                      ///< IPV6
  bool use_venet_mask = false;     ///< USE_VENET_MASK: prefix lengths of venet addresses are kept
  bool error_on_arp_fail = false;  ///< ERROR_ON_ARPFAIL
  bool skip_arp_detect = false;    ///< SKIP_ARPDETECT
  BytesPerSecond tools_iolimit{0};  ///< VZ_TOOLS_IOLIMIT: of migrations; 0 = as fast as it goes
  /// VZ_TOOLS_BCID: the reserved number, 1…100, whose control group takes in the programs that
  /// migrate; 0 = none.
  std::uint64_t tools_group = 0;
  Bytes tools_memory{0};            ///< VZ_TOOLS_MEMLIMIT: of that group; 0 = no limit
  CpuUnits node_cpuunits{1000};    ///< VE0CPUUNITS
  std::uint64_t parallel_starts = 0;  ///< VE_PARALLEL; 0 = CPUs x 4
  /// VE_STOP_MODE: suspend or stop; std::nullopt = each container's AUTOSTOP
  std::optional<bool> suspend_at_shutdown;
  /// VE_RESUME_FAILED: start (true) a container whose state cannot be resumed at the node's start,
  /// or keep (false) it suspended
  bool start_unresumed = false;
  ConfigFile file;                    ///< the file itself, for keys that others read

  /// TEMPLATE/cache/NAME: the unpacked root tree of a template.
  [[nodiscard]] std::string template_cache(const std::string& name) const {
    return template_directory + "/cache/" + name;
  }
  [[nodiscard]] std::string lock_file(CtId id) const {
    return lock_directory + "/" + id.text() + ".lck";
  }
  [[nodiscard]] std::string journal_file(CtId id) const {
    return lock_directory + "/" + id.text() + ".journal";
  }
  /// Its existence means that the container was brought up and not down again: see up_mark.h. Not
  /// beside the locks: making its name durable must not make theirs durable.
  [[nodiscard]] std::string up_mark(CtId id) const { return up_directory + "/" + id.text(); }
};

/// The configuration of a node whose vz.conf is empty.
NodeConfig default_node_config(const Layout& layout);

/// Errors: corrupt (exit 85; 22, 23 and 24 for an empty or unusable VE_ROOT, VE_PRIVATE or
/// TEMPLATE; 77 for LOCKDIR), naming key, value and what is accepted.
Result<NodeConfig> interpret_node_config(ConfigFile file, const Layout& layout);

/// Reads vz.conf. Errors: not_found (exit 10), corrupt (as above), those of Files::read.
Result<NodeConfig> load_node_config(Kernel& kernel, const Layout& layout);

/// `pattern` with $VEID and ${VEID} replaced.
std::string substitute_veid(std::string_view pattern, CtId id);

}  // namespace twinhull
