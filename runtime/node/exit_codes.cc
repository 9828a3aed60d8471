#include "runtime/node/exit_codes.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

namespace twinhull {
namespace {

struct Meaning {
  ExitCode code;
  std::string_view text;
};

constexpr Meaning kMeanings[] = {
    {ExitCode::success, "success"},
    {ExitCode::set_beancounters, "setting a memory or count limit failed"},
    {ExitCode::set_cpu, "setting a CPU parameter failed"},
    {ExitCode::system_error, "generic system error"},
    {ExitCode::no_memory, "out of memory"},
    {ExitCode::no_kernel_support, "the kernel lacks container support"},
    {ExitCode::not_enough_resources, "not enough system resources"},
    {ExitCode::create_environment, "the container could not be created in the kernel"},
    {ExitCode::command_failed, "the command returned non-zero"},
    {ExitCode::locked, "the container is locked by another operation"},
    {ExitCode::no_global_config, "global configuration not found"},
    {ExitCode::no_helper_script, "helper script not found"},
    {ExitCode::no_licence, "permission denied"},
    {ExitCode::set_capability, "setting capabilities failed"},
    {ExitCode::no_container_config, "container configuration not found"},
    {ExitCode::exec_timeout, "the command timed out"},
    {ExitCode::suspend_failed, "suspend failed"},
    {ExitCode::resume_failed, "resume failed"},
    {ExitCode::set_luid, "setting the login id failed"},
    {ExitCode::unknown_parameter, "unknown parameter"},
    {ExitCode::bad_command_line, "invalid command-line parameter"},
    {ExitCode::bad_value, "invalid value of a parameter"},
    {ExitCode::root_unset, "VE_ROOT is not set"},
    {ExitCode::private_unset, "VE_PRIVATE is not set"},
    {ExitCode::template_unset, "TEMPLATE is not set"},
    {ExitCode::rate_unset, "RATE is not set"},
    {ExitCode::total_rate_unset, "TOTALRATE is not set"},
    {ExitCode::parameters_missing, "required parameters are not set"},
    {ExitCode::beancounters_missing, "required resource parameters are not set"},
    {ExitCode::ostemplate_unset, "no OS template was named"},
    {ExitCode::bandwidth_unset, "BANDWIDTH is not set"},
    {ExitCode::not_running, "the container is not running"},
    {ExitCode::already_running, "the container is already running"},
    {ExitCode::cannot_stop, "the container could not be stopped"},
    {ExitCode::cannot_add_address, "an IP address could not be added"},
    {ExitCode::validation_failed, "validation failed"},
    {ExitCode::overcommitment, "overcommitment"},
    {ExitCode::skipped, "action skipped"},
    {ExitCode::not_mounted, "the container is not mounted"},
    {ExitCode::mounted, "the container is mounted"},
    {ExitCode::no_private_area, "the private area does not exist"},
    {ExitCode::private_area_exists, "the private area exists already"},
    {ExitCode::no_disk_space, "not enough disk space"},
    {ExitCode::bad_template, "bad container or template: no /sbin/init or /bin/sh"},
    {ExitCode::cannot_create_private, "the private area could not be created"},
    {ExitCode::cannot_create_mount_point, "the mount point could not be created"},
    {ExitCode::cannot_mount, "the container could not be mounted"},
    {ExitCode::cannot_unmount, "the container could not be unmounted"},
    {ExitCode::cannot_delete_private, "the private area could not be deleted"},
    {ExitCode::unknown_mount_type, "unknown mount type"},
    {ExitCode::cannot_create_directory, "a directory could not be created"},
    {ExitCode::no_quota_for_reinstall, "not enough quota to create a temporary container"},
    {ExitCode::unsupported_init, "unsupported /sbin/init"},
    {ExitCode::quota_on, "quota on failed"},
    {ExitCode::quota_init, "quota init failed"},
    {ExitCode::quota_set, "quota set failed"},
    {ExitCode::diskspace_unset, "DISKSPACE is not set"},
    {ExitCode::diskinodes_unset, "DISKINODES is not set"},
    {ExitCode::set_user_quota, "setting user quota failed"},
    {ExitCode::quota_off, "quota off failed"},
    {ExitCode::user_quota_not_initialised, "user quota is not initialised"},
    {ExitCode::cannot_read_quota, "quota usage could not be read"},
    {ExitCode::bad_hostname, "bad host name"},
    {ExitCode::bad_address, "bad IP address"},
    {ExitCode::bad_nameserver, "bad DNS server"},
    {ExitCode::bad_searchdomain, "bad DNS search domain"},
    {ExitCode::set_password, "the password could not be changed"},
    {ExitCode::class_unset, "the class is not set"},
    {ExitCode::lock_directory_unset, "LOCKDIR is not set"},
    {ExitCode::address_in_use, "the IP address is in use"},
    {ExitCode::action_script_failed, "an action script returned an error"},
    {ExitCode::shaping, "traffic shaping error"},
    {ExitCode::accounting, "traffic accounting error"},
    {ExitCode::no_sample, "the sample configuration does not exist"},
    {ExitCode::bad_config, "a configuration file holds invalid data"},
    {ExitCode::set_devices, "setting devices failed"},
    {ExitCode::application_template, "an application template could not be installed"},
    {ExitCode::shared_base, "the shared base cannot be started"},
    {ExitCode::address_unavailable, "the IP address is not available"},
    {ExitCode::no_ostemplate, "the OS template cache was not found"},
    {ExitCode::recover_failed, "recovery failed"},
    {ExitCode::no_package_list, "the list of packages could not be read"},
    {ExitCode::reinstall_failed, "reinstallation failed"},
    {ExitCode::ploop_unsupported, "ploop is not supported"},
    {ExitCode::no_container_address, "the container has no IP address"},
    {ExitCode::custom_configure, "the custom configure script failed"},
    {ExitCode::offline_management, "offline management error"},
    {ExitCode::network_device, "network device error"},
    {ExitCode::start_disabled, "container start disabled"},
    {ExitCode::iptables_on_running, "iptables cannot be set on a running container"},
    {ExitCode::no_distribution_config, "no distribution configuration"},
    {ExitCode::no_distribution_script, "no distribution action script"},
    {ExitCode::apply_sample, "the sample configuration could not be applied"},
    {ExitCode::default_reinstall, "custom reinstall script error"},
    {ExitCode::slm_limit_unset, "SLM limit is not set"},
    {ExitCode::slm_error, "SLM error"},
    {ExitCode::unsupported_technology, "unsupported technology"},
    {ExitCode::slm_disabled, "SLM is disabled"},
    {ExitCode::wait_failed, "waiting for the container to start failed"},
    {ExitCode::personality, "personality error"},
    {ExitCode::meminfo, "meminfo error"},
    {ExitCode::veth, "veth error"},
    {ExitCode::set_name, "the container name could not be set"},
    {ExitCode::no_inittab, "no inittab"},
    {ExitCode::save_config, "the configuration could not be saved"},
    {ExitCode::register_failed, "registration failed"},
    {ExitCode::owner_check, "owner check failed"},
    {ExitCode::unregister_failed, "unregistration failed"},
    {ExitCode::set_osrelease, "setting osrelease failed"},
    {ExitCode::get_osrelease, "reading osrelease failed"},
    {ExitCode::cpumask, "CPU mask error"},
    {ExitCode::pci, "PCI device error"},
    {ExitCode::io_parameter, "I/O parameter error"},
    {ExitCode::nodemask, "node mask error"},
};

ExitCode fitting(ErrorCode code) {
  switch (code) {
    case ErrorCode::no_space:
    case ErrorCode::quota_exceeded: return ExitCode::no_disk_space;
    case ErrorCode::no_memory: return ExitCode::no_memory;
    case ErrorCode::limit_exceeded: return ExitCode::not_enough_resources;
    case ErrorCode::not_permitted: return ExitCode::no_licence;
    case ErrorCode::in_progress: return ExitCode::locked;
    case ErrorCode::not_running: return ExitCode::not_running;
    case ErrorCode::already_running: return ExitCode::already_running;
    case ErrorCode::not_supported: return ExitCode::no_kernel_support;
    case ErrorCode::corrupt: return ExitCode::bad_config;
    default: return ExitCode::system_error;
  }
}

int stated_code(const Error& error) {
  for (const Error* link = &error; link != nullptr; link = link->cause.get())
    if (link->exit_code != 0) return link->exit_code;
  return 0;
}

}  // namespace

std::string_view describe_exit_code(int code) {
  const auto* found = std::find_if(std::begin(kMeanings), std::end(kMeanings),
                                   [code](const Meaning& m) { return to_int(m.code) == code; });
  return found == std::end(kMeanings) ? "unknown exit code" : found->text;
}

int exit_code_for(const Error& error) {
  const int stated = stated_code(error);
  return stated != 0 ? stated : to_int(fitting(error.code));
}

Error with_default_exit_code(Error error, ExitCode code) {
  if (stated_code(error) == 0) error.exit_code = to_int(code);
  return error;
}

}  // namespace twinhull
