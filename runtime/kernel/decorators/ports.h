// Wrappers of the single ports, put together by intercept().
#pragma once

#include <memory>
#include <string>

#include "runtime/kernel/channels.h"
#include "runtime/kernel/decorators/hook.h"

namespace twinhull {
class Checkpoints;
class Clock;
class Host;
}  // namespace twinhull

namespace twinhull::decorators {

/// Each shows the calls of `inner` to the hook; both must outlive the result.
std::unique_ptr<Clock> wrap_clock(Clock& inner, Hook& hook);
std::unique_ptr<Files> wrap_files(Files& inner, Hook& hook);
std::unique_ptr<Mounts> wrap_mounts(Mounts& inner, Hook& hook);
std::unique_ptr<Processes> wrap_processes(Processes& inner, Hook& hook);
std::unique_ptr<Cgroups> wrap_cgroups(Cgroups& inner, Hook& hook);
std::unique_ptr<Quotas> wrap_quotas(Quotas& inner, Hook& hook);
std::unique_ptr<Links> wrap_links(Links& inner, Hook& hook);
std::unique_ptr<Channels> wrap_channels(Channels& inner, Hook& hook);
std::unique_ptr<Checkpoints> wrap_checkpoints(Checkpoints& inner, Hook& hook);
std::unique_ptr<Host> wrap_host(Host& inner, Hook& hook);
/// Owns the channel; `peer` is the object that its calls name.
std::unique_ptr<Channel> wrap_channel(std::unique_ptr<Channel> inner, std::string peer, Hook& hook);

}  // namespace twinhull::decorators
