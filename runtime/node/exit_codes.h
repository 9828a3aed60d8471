// The exit codes of vzctl (spec R2.1): panels script against these numbers.
#pragma once

#include <cstdint>
#include <string_view>

#include "runtime/kernel/error.h"

namespace twinhull {

/// Every code of spec R2.1 under a name. Codes of mechanisms that are not built yet are here too,
/// so that a number is never used twice.
enum class ExitCode : std::uint8_t {
  success = 0,
  set_beancounters = 1,  ///< a memory or count limit could not be applied
  set_cpu = 2,           ///< a CPU parameter could not be applied
  system_error = 3,      ///< anything that has no code of its own
  no_memory = 4,
  no_kernel_support = 5,  ///< this kernel lacks a mechanism that containers need
  not_enough_resources = 6,
  create_environment = 7,  ///< the container's init could not be spawned
  command_failed = 8,      ///< the command run by `vzctl exec` returned non-zero
  locked = 9,              ///< another operation holds the container
  no_global_config = 10,
  no_helper_script = 11,
  no_licence = 12,  ///< or: privileges are missing
  set_capability = 13,
  no_container_config = 14,  ///< unknown container
  exec_timeout = 15,
  suspend_failed = 16,
  resume_failed = 17,
  set_luid = 18,
  unknown_parameter = 19,
  bad_command_line = 20,
  bad_value = 21,
  root_unset = 22,
  private_unset = 23,
  template_unset = 24,
  rate_unset = 25,
  total_rate_unset = 26,
  parameters_missing = 27,
  beancounters_missing = 28,
  ostemplate_unset = 29,
  bandwidth_unset = 30,
  not_running = 31,
  already_running = 32,
  cannot_stop = 33,
  cannot_add_address = 34,
  validation_failed = 35,
  overcommitment = 36,
  skipped = 39,
  not_mounted = 40,
  mounted = 41,
  no_private_area = 43,
  private_area_exists = 44,
  no_disk_space = 46,
  bad_template = 47,  ///< no /sbin/init or /bin/sh
  cannot_create_private = 48,
  cannot_create_mount_point = 49,
  cannot_mount = 50,
  cannot_unmount = 51,
  cannot_delete_private = 52,
  unknown_mount_type = 53,
  cannot_create_directory = 54,
  no_quota_for_reinstall = 55,
  unsupported_init = 56,
  quota_on = 60,
  quota_init = 61,
  quota_set = 62,
  diskspace_unset = 63,
  diskinodes_unset = 64,
  set_user_quota = 65,
  quota_off = 66,
  user_quota_not_initialised = 67,
  cannot_read_quota = 68,
  bad_hostname = 70,
  bad_address = 71,
  bad_nameserver = 72,
  bad_searchdomain = 73,
  set_password = 74,
  class_unset = 76,
  lock_directory_unset = 77,
  address_in_use = 78,
  action_script_failed = 79,
  shaping = 80,
  accounting = 81,
  no_sample = 82,  ///< the sample configuration is missing
  bad_config = 85,
  set_devices = 86,
  application_template = 87,
  shared_base = 88,
  address_unavailable = 89,
  no_ostemplate = 91,  ///< OS template cache not found
  recover_failed = 92,
  no_package_list = 93,
  reinstall_failed = 94,
  ploop_unsupported = 99,
  no_container_address = 100,
  custom_configure = 102,
  offline_management = 103,
  network_device = 104,
  start_disabled = 105,
  iptables_on_running = 106,
  no_distribution_config = 107,
  no_distribution_script = 108,
  apply_sample = 109,
  default_reinstall = 128,
  slm_limit_unset = 129,
  slm_error = 130,
  unsupported_technology = 131,
  slm_disabled = 132,
  wait_failed = 133,  ///< `start --wait`: the container did not come up
  personality = 134,
  meminfo = 135,
  veth = 136,
  set_name = 137,
  no_inittab = 138,
  save_config = 139,
  register_failed = 140,
  owner_check = 141,
  unregister_failed = 142,
  set_osrelease = 144,
  get_osrelease = 145,
  cpumask = 146,
  pci = 147,
  io_parameter = 148,
  nodemask = 149,
};

constexpr int to_int(ExitCode code) {
  return static_cast<int>(code);
}

/// What a code means, in a few words; "unknown exit code" for numbers that vzctl does not use.
std::string_view describe_exit_code(int code);

/// The code that a command must end with after `error`: the first `exit_code` along the cause
/// chain, else what fits the error's code.
int exit_code_for(const Error& error);

/// `error` with this exit code, unless it (or a cause of it) states one already.
Error with_default_exit_code(Error error, ExitCode code);

}  // namespace twinhull
