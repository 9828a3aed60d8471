// vzctl suspend and pause (spec F3.29).
#include <optional>
#include <utility>

#include "runtime/config/atomic_write.h"
#include "runtime/container/dump.h"
#include "runtime/container/live.h"
#include "runtime/container/operations.h"
#include "runtime/container/recovery.h"
#include "runtime/container/resume.h"
#include "runtime/container/up_mark.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/checkpoints.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/links.h"
#include "runtime/network/venet.h"
#include "runtime/node/exit_codes.h"
#include "runtime/node/journal.h"

namespace twinhull::container {
namespace {

constexpr const char* kPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr Duration kSyncTimeout = seconds(60);

Error refusal(CtId id, std::string_view what, ErrorCode code) {
  return fail(code, "container.suspend", "CT " + id.text(), what)
      .with_exit_code(to_int(ExitCode::suspend_failed));
}

bool ends_everything(const Error& error) {
  return error.code == ErrorCode::node_down || error.code == ErrorCode::interrupted;
}

Result<bool> has_network(Kernel& kernel, CtId id) {
  TH_ASSIGN(const std::optional<LinkInfo> device,
            kernel.links().find(NetScope::node(), network::node_device(id)));
  return device.has_value();
}

struct Running {
  CtSettings settings;
  ProcessRef init;
  bool paused = false;
};

Result<Running> look(Context& context, CtId id) {
  Kernel& kernel = context.kernel();
  Running running;
  TH_ASSIGN(running.settings, load_ct_settings(kernel, context.layout(), context.node, id));
  TH_ASSIGN(running.init, require_running(kernel, id));
  TH_ASSIGN(running.paused, is_paused(kernel, id));
  return running;
}

/// The images refer to files by name and size: what programs have written must outlive the power.
Status sync_files(Context& context, ProcessRef init) {
  ExecSpec sync;
  sync.argv = {"sync"};
  sync.environment = {{"PATH", kPath}};
  sync.timeout = kSyncTimeout;
  const Result<ExecOutcome> done = context.kernel().processes().exec(init, sync);
  if (!done && ends_everything(done.error())) return done.error();
  if (!done || !done->status.success())
    context.reporter.warn(
        "the files of the container could not be synced: a power cut may now "
        "part them from the suspended state");
  return {};
}

/// Images and facts of the container, which stays frozen.
Status write_dump(Context& context, const Running& running, const std::string& dump) {
  Kernel& kernel = context.kernel();
  TH_TRY(begin_dump(kernel, dump));
  const std::string fresh = unfinished_dump(dump);
  TH_ASSIGN(const HeldDump held, dump_held(context, running.settings.id, running.init, fresh, {}, /*durable=*/true));
  TH_TRY(write_dump_facts(kernel, fresh, held.facts));
  return finish_dump(kernel, dump);
}

Error suspend_error(Context& context, CtId id, Error cause) {
  if (ends_everything(cause)) return cause;
  context.reporter.say("Checkpointing failed");
  const ErrorCode code = cause.code;
  return refusal(id, "cannot be suspended; it goes on running", code).caused_by(std::move(cause));
}

/// Where the dump goes, free to be written.
Result<std::string> free_place(Context& context, CtId id, const std::string& dumpfile) {
  Kernel& kernel = context.kernel();
  if (dumpfile.empty()) {
    // One of an earlier time: the container has run since.
    TH_TRY(discard_dump(kernel, dump_path(context.node, id)));
    return dump_path(context.node, id);
  }
  if (!dumpfile.starts_with('/') || dumpfile.ends_with('/'))
    return fail(ErrorCode::invalid_argument, "container.suspend", dumpfile,
                "the dump needs an absolute path")
        .with_exit_code(to_int(ExitCode::bad_value));
  TH_ASSIGN(const std::optional<FileInfo> there, kernel.files().stat(dumpfile));
  if (there)
    return refusal(id, dumpfile + " exists already", ErrorCode::exists)
        .with_hint("remove it, or name another one");
  return dumpfile;
}

/// The dump is there already.
Status kill_dumped(Context& context, CtId id) {
  Intent intent;
  intent.operation = "stop";
  intent.phase = IntentPhase::roll_forward;
  intent.durable = false;
  const std::string journal = context.node.journal_file(id);
  TH_TRY(write_intent(context.kernel(), journal, intent));
  TH_TRY(end_dumped(context, id));
  TH_TRY(forget_up(context, id));
  TH_TRY(clear_intent(context.kernel(), journal, /*durable=*/false));
  context.reporter.say("Container is suspended");
  return {};
}

Status whole(Context& context, const Running& running, const SuspendOptions& options) {
  Kernel& kernel = context.kernel();
  const CtId id = running.settings.id;
  TH_ASSIGN(const std::string dump, free_place(context, id, options.dumpfile));
  context.reporter.say("Setting up checkpoint...");
  Intent intent;
  intent.operation = "suspend";
  intent.committed_when = dump;
  intent.facts["dump"] = dump;
  if (running.paused) intent.facts["paused"] = "yes";
  if (options.comes_back) intent.facts["comes_back"] = "yes";
  const std::string journal = context.node.journal_file(id);
  TH_TRY(write_intent(kernel, journal, intent));
  const auto write = [&]() -> Status {
    if (!running.paused) TH_TRY(sync_files(context, running.init));
    context.reporter.say("\tsuspend...");
    TH_TRY(hold(context, id));
    context.reporter.say("\tdump...");
    return write_dump(context, running, dump);
  };
  Status written = write();
  if (!written) {
    if (written.error().code == ErrorCode::node_down) return written;
    Error error = suspend_error(context, id, std::move(written).error());
    const Status back = cancel_suspend(context, id, dump, running.paused);
    if (!back) {  // the journal stays: the next command tries again
      error.detail += "; also failed: " + back.error().message();
      return error;
    }
    const Status cleared = clear_intent(kernel, journal, /*durable=*/true);
    if (!cleared) error.detail += "; also failed: " + cleared.error().message();
    return error;
  }
  context.reporter.say("\tkill...");
  if (Status ended = end_dumped(context, id); !ended) {
    if (ended.error().code == ErrorCode::node_down) return ended;
    return with_default_exit_code(std::move(ended).error(), ExitCode::suspend_failed);
  }
  if (!options.comes_back) TH_TRY(forget_up(context, id));
  TH_TRY(clear_intent(kernel, journal, /*durable=*/true));
  context.reporter.say("Checkpointing completed successfully");
  return {};
}

}  // namespace

Status hold(Context& context, CtId id) {
  TH_TRY(network::disconnect(context.kernel(), id));
  return context.kernel().cgroups().freeze(group_of(id));
}

Result<HeldDump> dump_held(Context& context, CtId id, ProcessRef init, const std::string& fresh,
                           const std::string& parent, bool durable, bool lazy,
                           const Dumping& dumping) {
  Kernel& kernel = context.kernel();
  HeldDump held;
  DumpFacts& facts = held.facts;
  facts.id = id;
  TH_ASSIGN(facts.has_network, has_network(kernel, id));
  Result<std::string> live = kernel.files().read(live_file(context.node, id));
  if (live) {
    facts.live = std::move(*live);
  } else if (live.error().code != ErrorCode::not_found) {
    return live.error();
  }
  DumpSpec spec;
  spec.images = dump_images(fresh);
  spec.parent = parent;
  spec.after = AfterDump::stay_frozen;
  spec.durable = durable;
  facts.lazy = spec.lazy = lazy;
  if (facts.has_network) spec.devices = {{network::kContainerDevice, network::node_device(id)}};
  TH_ASSIGN(held.result, dumping ? dumping(init, spec) : kernel.checkpoints().dump(init, spec));
  context.reporter.detail("wrote " + std::to_string(held.result.images.value) + " bytes, " +
                          std::to_string(held.result.written.value) + " pages of memory");
  return held;
}

Status end_dumped(Context& context, CtId id) {
  TH_TRY(network::tear_down(context.kernel(), id));
  TH_TRY(tear_down(context, id, /*unmount=*/true));
  return {};
}

Status cancel_suspend(Context& context, CtId id, const std::string& dump, bool stays_paused) {
  Kernel& kernel = context.kernel();
  TH_ASSIGN(const std::optional<ProcessRef> init, kernel.processes().find(label_of(id)));
  if (init) {
    TH_TRY(network::reconnect(kernel, id, *init));
    if (!stays_paused) TH_TRY(kernel.cgroups().thaw(group_of(id)));
  }
  TH_ASSIGN(const Effect removed, kernel.files().remove_tree(unfinished_dump(dump)));
  return removed == Effect::changed ? kernel.files().sync(parent_directory(dump)) : Status();
}

Status suspend(Context& context, CtId id, const SuspendOptions& options) {
  Kernel& kernel = context.kernel();
  TH_ASSIGN(const Running running, look(context, id));
  if (options.phase != SuspendPhase::thaw) {
    TH_ASSIGN(const Support support, kernel.host().supports(Feature::checkpoint));
    if (!support.available)
      return refusal(id, "this node has no checkpoints: " + support.reason,
                     ErrorCode::not_supported)
          .with_hint("stop it instead, or freeze it with: vzctl pause " + id.text());
  }
  const std::string dump =
      options.dumpfile.empty() ? dump_path(context.node, id) : options.dumpfile;
  switch (options.phase) {
    case SuspendPhase::whole: return whole(context, running, options);
    case SuspendPhase::freeze:
      TH_TRY(hold(context, id));
      context.reporter.say("Container is frozen");
      return {};
    case SuspendPhase::thaw:
      if (!running.paused) return refusal(id, "is not frozen", ErrorCode::invalid_argument);
      return resume(context, id, {});
    case SuspendPhase::dump: {
      if (!running.paused)
        return refusal(id, "is not frozen", ErrorCode::invalid_argument)
            .with_hint("freeze it first with: vzctl suspend " + id.text() + " --suspend");
      TH_ASSIGN(const std::string place, free_place(context, id, options.dumpfile));
      Status written = write_dump(context, running, place);
      if (written || written.error().code == ErrorCode::node_down) return written;
      Error error = refusal(id, "cannot be dumped; it stays frozen", written.error().code);
      const Status back = cancel_suspend(context, id, place, /*stays_paused=*/true);
      if (!back) error.detail += "; also failed: " + back.error().message();
      return std::move(error).caused_by(std::move(written).error());
    }
    case SuspendPhase::kill: {
      TH_ASSIGN(const std::optional<FileInfo> there, kernel.files().stat(dump));
      if (!running.paused || !there)
        return refusal(id, "is not frozen with a dump written: killing it would lose its state",
                       ErrorCode::invalid_argument)
            .with_hint("see --suspend and --dump, or stop it");
      return kill_dumped(context, id);
    }
  }
  return {};
}

Status pause(Context& context, CtId id) {
  TH_ASSIGN(const Running running, look(context, id));
  if (running.paused) {
    context.reporter.say("Container is already paused");
    return {};
  }
  if (Status frozen = context.kernel().cgroups().freeze(group_of(id)); !frozen)
    return with_default_exit_code(std::move(frozen).error(), ExitCode::suspend_failed);
  context.reporter.say("Container was paused");
  return {};
}

}  // namespace twinhull::container
