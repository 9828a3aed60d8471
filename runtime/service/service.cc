#include "runtime/service/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "runtime/config/atomic_write.h"
#include "runtime/config/container_index.h"
#include "runtime/container/node_itself.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/clock.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/processes.h"
#include "runtime/node/companions.h"
#include "runtime/node/exit_codes.h"
#include "runtime/node/lock.h"
#include "runtime/service/fate.h"
#include "runtime/service/patient.h"

namespace twinhull::service {
namespace {

using container::Context;

constexpr std::uint64_t kStartsPerCpu = 4;
/// How often the programs of a batch are looked at.
constexpr Duration kLook = milliseconds(200);

std::string state_directory(const Layout& layout) {
  return layout.root + "/var/lib/vz/service";
}
std::string state_file(const Layout& layout) {
  return state_directory(layout) + "/up";
}

/// The boot in which the node was started. A power cut ends what it says: it is not synced.
Status note_started(Context& context) {
  TH_ASSIGN(const std::string boot, context.kernel().host().boot_id());
  return context.kernel().files().write(state_file(context.layout()), boot + "\n");
}
Status note_stopped(Context& context) {
  TH_TRY(context.kernel().files().remove(state_file(context.layout())));
  return {};
}

/// Runs `body` as the only service of the node.
Result<bool> alone(Context& context, std::string_view status,
                   const std::function<Result<bool>()>& body) {
  TH_TRY(make_directories(context.kernel().files(), state_directory(context.layout())));
  auto lock = acquire_lock(context.kernel(), state_directory(context.layout()), CtId{0}, status);
  if (!lock) {
    if (lock.error().code != ErrorCode::in_progress) return std::move(lock).error();
    return fail(ErrorCode::in_progress, "vz", "the node", "another vz is at work")
        .with_exit_code(to_int(ExitCode::locked))
        .with_hint("wait for its end")
        .caused_by(std::move(lock).error());
  }
  Result<bool> well = body();
  if (!well && well.error().code == ErrorCode::node_down) return well;
  const Status released = release_lock(context.kernel(), *lock);
  if (well && !released) return released.error();
  return well;
}

/// Containers that have a control group and no init: they ended by themselves, and nobody has
/// cleaned up since.
Status find_ended(Context& context, std::set<CtId>& ids) {
  TH_ASSIGN(const std::vector<std::string> groups,
            context.kernel().cgroups().children(CgroupPath{}));
  for (const std::string& group : groups) {
    const Result<CtId> id = parse_ctid(group);
    if (!id) continue;
    TH_ASSIGN(const auto init, context.kernel().processes().find(container::label_of(*id)));
    if (!init) ids.insert(*id);
  }
  return {};
}

/// The containers that have a lock or a journal: "101" of "101.journal", "101.lck" and what lies
/// beside a lock; and those above.
Result<std::set<CtId>> half_done(Context& context) {
  std::set<CtId> ids;
  TH_TRY(find_ended(context, ids));
  auto entries = context.kernel().files().list(context.node.lock_directory);
  if (!entries) {
    if (entries.error().code == ErrorCode::not_found) return ids;
    return std::move(entries).error();
  }
  for (const DirectoryEntry& entry : *entries) {
    const std::size_t dot = entry.name.find('.');
    if (dot == std::string::npos) continue;
    const std::string_view rest = std::string_view(entry.name).substr(dot);
    if (!rest.starts_with(".lck") && !rest.starts_with(".journal")) continue;
    if (const Result<CtId> id = parse_ctid(entry.name.substr(0, dot))) ids.insert(*id);
  }
  return ids;
}

/// What commands, or a power cut, left half done; what a command still works on is left to it.
/// Returns the containers of which it could not be completed, and says why.
Result<std::set<CtId>> complete_half_done(Context& context) {
  TH_ASSIGN(const std::set<CtId> ids, half_done(context));
  std::set<CtId> stuck;
  for (const CtId id : ids) {
    const Status done = with_patience(context, id, "recovering", Duration{0},
                                      [](Context&) { return Status(); });
    if (done || done.error().code == ErrorCode::in_progress) continue;
    if (ends_everything(done.error())) return done.error();
    tell(context.reporter, id, {.text = done.error().message(), .grade = Fate::Grade::failed});
    stuck.insert(id);
  }
  return stuck;
}

Result<std::size_t> width_of_batches(Context& context) {
  if (context.node.parallel_starts != 0)
    return static_cast<std::size_t>(context.node.parallel_starts);
  TH_ASSIGN(const HostInfo host, context.kernel().host().info());
  return static_cast<std::size_t>(std::max<std::uint64_t>(host.online_cpus.cpus.size(), 1) *
                                  kStartsPerCpu);
}

/// Waits for one after the other, so that each one's text stays together. An interruption is handed
/// on to all of them, and they are waited for: killed, they would leave their work half done.
Result<bool> wait_for(Context& context, std::span<const std::size_t> started) {
  Companions& companions = *context.session.companions;
  bool well = true;
  std::optional<Error> interrupted;
  while (!started.empty()) {
    const Companions::News news = companions.look(started.front());
    context.session.console.out(news.out);
    if (!news.error.empty()) context.session.console.error(news.error);
    if (news.exit_code) {
      well = well && *news.exit_code == 0;
      started = started.subspan(1);
      continue;
    }
    Status slept = context.kernel().clock().sleep(kLook);
    if (slept) continue;
    if (slept.error().code != ErrorCode::interrupted) return std::move(slept).error();
    interrupted = std::move(slept).error();
    for (const std::size_t companion : started) companions.interrupt(companion);
  }
  if (interrupted) return std::move(*interrupted);
  return well;
}

/// One batch as programs of their own, each of which tells the fate of its container.
Result<bool> side_by_side(Context& context, const char* verb, std::span<const CtId> batch) {
  std::vector<std::size_t> started;
  std::optional<Error> refused;
  for (const CtId id : batch) {
    auto companion = context.session.companions->start({"vz", verb, id.text()});
    if (!companion) {
      refused = std::move(companion).error();
      break;
    }
    started.push_back(*companion);
  }
  auto well = wait_for(context, started);
  if (refused && (well || well.error().code != ErrorCode::node_down)) return std::move(*refused);
  return well;
}

using OneByOne = Result<Fate> (*)(Context&, CtId);

Result<bool> in_batches(Context& context, const char* verb, OneByOne act,
                        std::span<const CtId> ids) {
  TH_ASSIGN(const std::size_t width, width_of_batches(context));
  bool well = true;
  while (!ids.empty()) {
    const std::span<const CtId> batch = ids.first(std::min(width, ids.size()));
    ids = ids.subspan(batch.size());
    if (batch.size() > 1 && context.session.companions != nullptr) {
      TH_ASSIGN(const bool all, side_by_side(context, verb, batch));
      well = well && all;
      continue;
    }
    for (const CtId id : batch) {
      TH_ASSIGN(const Fate fate, act(context, id));
      well = tell(context.reporter, id, fate) && well;
    }
  }
  return well;
}

Result<bool> start_all(Context& context) {
  if (const Status share = container::bring_up_node_itself(context); !share) {
    if (ends_everything(share.error())) return share.error();
    context.reporter.warn(share.error().message());
  }
  TH_ASSIGN(const std::set<CtId> stuck, complete_half_done(context));
  TH_ASSIGN(const std::vector<Prospect> all, look_ahead(context));
  bool well = stuck.empty();
  std::vector<CtId> ids;
  for (const Prospect& one : all) {
    if (stuck.contains(one.id)) continue;
    if (one.trouble) {
      well = false;
      tell(context.reporter, one.id,
           {.text = one.trouble->message(), .grade = Fate::Grade::failed});
    } else if (one.at_start != AtStart::nothing) {
      ids.push_back(one.id);
    }
  }
  TH_ASSIGN(const bool up, in_batches(context, "start", &bring_up, ids));
  TH_TRY(note_started(context));
  return well && up;
}

Result<bool> stop_all(Context& context) {
  TH_ASSIGN(const std::set<CtId> stuck, complete_half_done(context));
  TH_ASSIGN(const std::vector<Prospect> all, look_ahead(context));
  std::vector<CtId> ids;
  for (const Prospect& one : all)
    if (one.at_stop != AtStop::nothing && !stuck.contains(one.id)) ids.push_back(one.id);
  std::reverse(ids.begin(), ids.end());
  TH_ASSIGN(const bool down, in_batches(context, "stop", &take_down, ids));
  TH_TRY(note_stopped(context));
  return stuck.empty() && down;
}

}  // namespace

Result<bool> start_node(Context& context) {
  if (!context.node.enabled)
    return fail(ErrorCode::not_permitted, "vz.start", context.layout().global_config(),
                "VIRTUOZZO is not \"yes\": nothing is started")
        .with_exit_code(kNotConfigured)
        .with_hint("set VIRTUOZZO=\"yes\" there, or start containers with vzctl");
  return alone(context, "starting", [&] { return start_all(context); });
}

Result<bool> stop_node(Context& context) {
  return alone(context, "stopping", [&] { return stop_all(context); });
}

Result<bool> node_is_started(Kernel& kernel, const Layout& layout) {
  const auto text = kernel.files().read(state_file(layout));
  if (!text) {
    if (text.error().code == ErrorCode::not_found) return false;
    return text.error();
  }
  TH_ASSIGN(const std::string boot, kernel.host().boot_id());
  return *text == boot + "\n";
}

}  // namespace twinhull::service
