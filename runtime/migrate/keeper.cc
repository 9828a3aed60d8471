#include "runtime/migrate/keeper.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/container/apply.h"
#include "runtime/container/locked.h"
#include "runtime/container/state.h"
#include "runtime/kernel/clock.h"
#include "runtime/migrate/exit_codes.h"
#include "runtime/network/venet.h"

namespace twinhull::migrate {
namespace {

/// Other migrations use the same keeper, each for a moment.
constexpr int kLockTries = 25;
constexpr Duration kLockPause = milliseconds(200);

Error refuse(MigrateExit code, ErrorCode kind, CtId keeper, std::string_view why) {
  return fail(kind, "migrate.keeper", "keeper CT " + keeper.text(), why)
      .with_exit_code(to_int(code));
}

Status with_patient_lock(container::Context& context, CtId keeper,
                         const std::function<Status()>& body) {
  for (int left = kLockTries;; --left) {
    Status done = container::with_lock(context, keeper, "keeping addresses", body);
    if (done || done.error().code != ErrorCode::in_progress || left <= 1) return done;
    TH_TRY(context.kernel().clock().sleep(kLockPause));
  }
}

}  // namespace

Status check_keeper(container::Context& context, CtId keeper, CtId id) {
  if (keeper == id)
    return refuse(MigrateExit::usage, ErrorCode::invalid_argument, keeper,
                  "is the container that goes");
  const auto config =
      load_container_config(context.kernel(), context.layout(), context.node, keeper);
  if (!config && config.error().code == ErrorCode::not_found)
    return refuse(MigrateExit::not_on_source, ErrorCode::not_found, keeper, "is not on this node");
  if (!config) return config.error();
  const auto running = container::require_awake(context.kernel(), keeper);
  if (running) return {};
  if (running.error().code == ErrorCode::node_down) return running.error();
  return refuse(MigrateExit::system, ErrorCode::not_running, keeper,
                "does not run, so it can answer for nobody")
      .with_hint("start it, or leave --keeper out");
}

Status keep_addresses(container::Context& context, CtId keeper,
                      const std::vector<IpPrefix>& addresses) {
  Kernel& kernel = context.kernel();
  return with_patient_lock(context, keeper, [&]() -> Status {
    TH_ASSIGN(const ProcessRef init, container::require_awake(kernel, keeper));
    TH_TRY(network::add_addresses(kernel, keeper, init, addresses, context.node.use_venet_mask));
    // It answers without; only the neighbours take longer to find it.
    const Status told = network::announce(kernel, addresses);
    if (!told && told.error().code == ErrorCode::node_down) return told;
    if (!told) context.reporter.warn("the neighbours were not told: " + told.error().message());
    return {};
  });
}

Status release_addresses(container::Context& context, CtId keeper,
                         const std::vector<IpPrefix>& addresses) {
  Kernel& kernel = context.kernel();
  return with_patient_lock(context, keeper, [&]() -> Status {
    const auto config = load_container_config(kernel, context.layout(), context.node, keeper);
    if (!config && config.error().code == ErrorCode::not_found) return {};
    if (!config) return config.error();
    TH_ASSIGN(const std::optional<ProcessRef> init,
              kernel.processes().find(container::label_of(keeper)));
    if (!init) return {};
    std::vector<IpPrefix> borrowed;
    for (const IpPrefix& address : addresses) {
      const auto& own = config->settings.addresses;
      const auto is_it = [&](const IpPrefix& other) { return other.address == address.address; };
      if (std::none_of(own.begin(), own.end(), is_it)) borrowed.push_back(address);
    }
    return network::remove_addresses(kernel, keeper, *init, borrowed);
  });
}

}  // namespace twinhull::migrate
