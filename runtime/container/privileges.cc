#include "runtime/container/privileges.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "runtime/node/exit_codes.h"

namespace twinhull::container {
namespace {

struct Capability {
  std::string_view name;
  bool on;  ///< in the default set
};

/// By the kernel's bit numbers (capability.h). Defaults of spec F9.3, but for sys_resource: a
/// process that holds it writes past disk quotas, so here it must be asked for.
constexpr std::array<Capability, 41> kCapabilities = {{
    {"chown", true},
    {"dac_override", true},
    {"dac_read_search", true},
    {"fowner", true},
    {"fsetid", true},
    {"kill", true},
    {"setgid", true},
    {"setuid", true},
    {"setpcap", true},
    {"linux_immutable", true},
    {"net_bind_service", true},
    {"net_broadcast", true},
    {"net_admin", false},
    {"net_raw", true},
    {"ipc_lock", true},
    {"ipc_owner", true},
    {"sys_module", false},
    {"sys_rawio", false},
    {"sys_chroot", true},
    {"sys_ptrace", true},
    {"sys_pacct", true},
    {"sys_admin", false},
    {"sys_boot", true},
    {"sys_nice", true},
    {"sys_resource", false},
    {"sys_time", false},
    {"sys_tty_config", true},
    {"mknod", true},
    {"lease", true},
    {"audit_write", true},
    {"audit_control", false},
    {"setfcap", true},
    {"mac_override", false},
    {"mac_admin", false},
    {"syslog", false},
    {"wake_alarm", false},
    {"block_suspend", false},
    {"audit_read", false},
    {"perfmon", false},
    {"bpf", false},
    {"checkpoint_restore", false},
}};

/// Rights of the product's own old kernel: accepted, without a counterpart today.
bool is_historic(std::string_view name) {
  return name == "ve_admin" || name == "setveid";
}

}  // namespace

std::optional<unsigned> capability_bit(std::string_view name) {
  for (unsigned bit = 0; bit < kCapabilities.size(); ++bit)
    if (kCapabilities[bit].name == name) return bit;
  return std::nullopt;
}

Result<CapabilitySet> capabilities_of(const std::vector<Switch>& switches) {
  CapabilitySet set;
  for (unsigned bit = 0; bit < kCapabilities.size(); ++bit)
    if (kCapabilities[bit].on) set.mask |= std::uint64_t{1} << bit;
  for (const Switch& change : switches) {
    if (is_historic(change.name)) continue;
    const std::optional<unsigned> bit = capability_bit(change.name);
    if (!bit) {
      std::string known;
      for (const Capability& capability : kCapabilities)
        known += (known.empty() ? "" : " ") + std::string(capability.name);
      return fail(ErrorCode::invalid_argument, "container.capabilities", "CAPABILITY",
                  "there is no capability \"" + change.name + "\"")
          .with_exit_code(to_int(ExitCode::set_capability))
          .with_hint("known are: " + known);
    }
    const std::uint64_t mask = std::uint64_t{1} << *bit;
    if (change.on) {
      set.mask |= mask;
    } else {
      set.mask &= ~mask;
    }
  }
  return set;
}

std::vector<DeviceRule> default_devices() {
  std::vector<DeviceRule> rules;
  const auto allow = [&rules](std::uint32_t major, std::optional<std::uint32_t> minor) {
    rules.push_back(
        {.type = 'c', .major = major, .minor = minor, .read = true, .write = true, .mknod = true});
  };
  for (const std::uint32_t minor : {3U, 5U, 7U, 8U, 9U})
    allow(1, minor);                                               // null zero full (u)random
  for (const std::uint32_t minor : {0U, 1U, 2U}) allow(5, minor);  // tty console ptmx
  allow(136, std::nullopt);                                        // pseudo-terminals
  for (const char type : {'c', 'b'})
    rules.push_back({.type = type,
                     .major = std::nullopt,
                     .minor = std::nullopt,
                     .read = false,
                     .write = false,
                     .mknod = true});
  return rules;
}

}  // namespace twinhull::container
