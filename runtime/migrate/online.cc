#include "runtime/migrate/online.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "runtime/container/apply.h"
#include "runtime/container/resume.h"
#include "runtime/container/state.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/checkpoints.h"
#include "runtime/kernel/clock.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"
#include "runtime/migrate/exit_codes.h"

namespace twinhull::migrate {
namespace {

/// A command that runs inside, or a connection that is being made, is over in a moment.
constexpr int kBusyTries = 5;
constexpr Duration kBusyPause = milliseconds(500);
constexpr Duration kLeastQuota = milliseconds(1);

Error unsupported(CtId id, std::string_view why) {
  return fail(ErrorCode::not_supported, "migrate.online", "CT " + id.text(), why)
      .with_exit_code(to_int(MigrateExit::unsupported));
}

std::string in_seconds(Duration length) {
  return fmt::format("{}.{:03} s", length / seconds(1), length % seconds(1) / milliseconds(1));
}

}  // namespace

OnlineMove::OnlineMove(container::Context& context, CtId id, Courier& courier, Timing& timing)
    : context_(context), id_(id), courier_(courier), timing_(timing) {}

std::string OnlineMove::dump() const {
  return container::unfinished_dump(container::dump_path(context_.node, id_));
}

template <typename Call>
auto OnlineMove::patiently(const Call& call) -> decltype(call()) {
  for (int left = kBusyTries;; --left) {
    auto result = call();
    if (result || result.error().code != ErrorCode::busy || left <= 1) return result;
    TH_TRY(context_.kernel().clock().sleep(kBusyPause));
  }
}

Status OnlineMove::copy_memory(const PrecopyGoals& goals, bool must, bool lazy) {
  Kernel& kernel = context_.kernel();
  TH_ASSIGN(const Support tracking, kernel.host().supports(Feature::dirty_tracking));
  if (!tracking.available) {
    const std::string why =
        "this kernel does not tell which memory changes (" + tracking.reason + ")";
    if (must && !lazy)
      return unsupported(id_, why).with_hint("without --require-realtime it is frozen for longer");
    context_.reporter.say(why + (lazy ? ": all of it follows"
                                      : ": all of it is copied while the container stands still"));
    return {};
  }
  context_.reporter.say("Copying memory");
  const Instant begun = kernel.clock().now();
  std::vector<PrecopyRound> rounds;
  std::uint32_t slowed = 0;
  Instant before = begun;
  while (true) {
    const Instant now = kernel.clock().now();
    TH_ASSIGN(PrecopyRound done, round(rounds.size() + 1, before));
    before = now;
    rounds.push_back(done);
    timing_.precopied += done.written;
    timing_.round_count += 1;
    const PrecopyVerdict verdict = judge_rounds(goals, rounds, slowed);
    const Bytes rest = expected_rest(rounds);
    context_.reporter.detail(fmt::format("round {}: {} pages, {} bytes in {}; {}", rounds.size(),
                                         done.written.value, done.sent.value, in_seconds(done.took),
                                         to_string(verdict)));
    if (verdict == PrecopyVerdict::another) continue;
    if (verdict == PrecopyVerdict::slow_down) {
      TH_TRY(slow_down(++slowed));
      continue;
    }
    timing_.rounds = kernel.clock().now() - begun;
    if (verdict == PrecopyVerdict::enough) return {};
    if (lazy) {
      context_.reporter.say(fmt::format("Memory: {}; the rest follows", to_string(verdict)));
      return {};
    }
    const std::string expected = in_seconds(transfer_time(done, rest));
    if (must) {
      return unsupported(id_, fmt::format("{}: it would stand still for about {}",
                                          to_string(verdict), expected))
          .with_hint(
              "raise --downtime, allow --auto-converge, or give the migration a faster link");
    }
    context_.reporter.say(fmt::format("Memory: {}; the container will stand still for about {}",
                                      to_string(verdict), expected));
    return {};
  }
}

Result<PrecopyRound> OnlineMove::round(std::size_t number, Instant before) {
  Kernel& kernel = context_.kernel();
  const Instant begun = kernel.clock().now();
  const std::string name = fmt::format("round-{}", number);
  PreDumpSpec spec{.images = dump() + "/" + name, .parent = parent_, .durable = false};
  const auto written = patiently([&]() -> Result<DumpResult> {
    TH_TRY(kernel.files().remove_tree(spec.images));
    TH_TRY(kernel.files().make_directory(spec.images, 0700));
    TH_ASSIGN(const ProcessRef init, container::require_awake(kernel, id_));
    return kernel.checkpoints().pre_dump(init, spec);
  });
  if (!written) {
    return stage_error(MigrateExit::unsupported, "CT " + id_.text(), "its memory cannot be copied",
                       written.error());
  }
  PrecopyRound done;
  done.written = written->written;
  TH_TRY(send_images(name, spec.images, done.sent));
  parent_ = spec.images;
  done.took = kernel.clock().now() - begun;
  if (number > 1) done.between = begun - before;
  return done;
}

/// Takes half of what is left of the CPU time: what it then writes less makes the rounds smaller.
Status OnlineMove::slow_down(std::uint32_t times) {
  Kernel& kernel = context_.kernel();
  TH_ASSIGN(const HostInfo host, kernel.host().info());
  TH_ASSIGN(const CgroupLimits kept, kernel.cgroups().limits(container::group_of(id_), ""));
  CpuQuota quota;
  // The first time from what it may have at most, then from what the last time has left.
  if (kept.quota)
    quota = *kept.quota;
  else
    quota.quota = quota.period * static_cast<std::int64_t>(host.online_cpus.cpus.size());
  quota.quota = std::max(quota.quota / 2, kLeastQuota);
  slowed_ = true;
  TH_TRY(kernel.cgroups().set_cpu_quota(container::group_of(id_), quota));
  context_.reporter.say(
      fmt::format("It writes faster than the link carries: CPU time halved ({})", times));
  return {};
}

Status OnlineMove::send_images(const std::string& name, const std::string& path, Bytes& wire) {
  const Message message{.type = "images", .fields = {{"name", name}, {"passing", "yes"}}};
  TH_ASSIGN(const TransferResult sent, courier_.send_tree(message, {.path = path, .durable = false}));
  wire = sent.wire;
  timing_.wire += sent.wire;
  return {};
}

Result<container::HeldDump> OnlineMove::dump_once(bool lazy, const std::function<Status()>& last_copy) {
  Kernel& kernel = context_.kernel();
  const std::string images = container::dump_images(dump());
  TH_TRY(kernel.files().remove_tree(images));
  TH_TRY(kernel.files().make_directory(images, 0700));
  TH_ASSIGN(const ProcessRef init, container::require_running(kernel, id_));
  TH_TRY(container::hold(context_, id_));
  TH_TRY(last_copy());
  const auto dump_and_send = [&](ProcessRef of, const DumpSpec& spec) -> Result<DumpResult> {
    const Message message{.type = "images", .fields = {{"name", "images"}, {"passing", "yes"}}};
    DumpResult written;
    const auto over = [&](Channel& channel, const TransferOptions& how) -> Result<TransferResult> {
      TH_ASSIGN(const SentDump both, kernel.checkpoints().dump_over(of, spec, channel, how));
      written = both.dump;
      return both.sent;
    };
    TH_ASSIGN(const TransferResult sent, courier_.send_images(message, images, over));
    timing_.wire += sent.wire;
    return written;
  };
  auto dumped = container::dump_held(context_, id_, init, dump(), parent_, /*durable=*/false, lazy,
                                     lazy ? container::Dumping() : dump_and_send);
  // It does not stand still while we wait for another try.
  if (!dumped && dumped.error().code == ErrorCode::busy) TH_TRY(container::let_go(context_, id_));
  return dumped;
}

Status OnlineMove::move_state(bool lazy, const std::function<Status()>& last_copy) {
  Clock& clock = context_.kernel().clock();
  const Instant frozen = clock.now();
  const auto held = patiently([&] { return dump_once(lazy, last_copy); });
  if (!held) {
    // The way to the destination, or what is there, says itself what it could not do.
    if (held.error().operation.starts_with("migrate.")) return held.error();
    const bool kind = held.error().code == ErrorCode::not_supported;
    return stage_error(kind ? MigrateExit::unsupported : MigrateExit::cannot_stop,
                       "CT " + id_.text(), "its processes cannot be dumped", held.error());
  }
  timing_.left = held->result.written;
  if (lazy) timing_.behind = held->result.scanned - held->result.written - held->result.skipped;
  const Instant dumped = clock.now();
  if (lazy) {
    Bytes wire;
    TH_TRY(send_images("images", container::dump_images(dump()), wire));
    timing_.images = clock.now() - dumped;
  }
  TH_TRY(send_state(courier_, held->facts, /*passing=*/true));
  timing_.stop = clock.now() - frozen - timing_.last_copy - timing_.images;
  return {};
}

Status send_state(Courier& courier, const container::DumpFacts& facts, bool passing) {
  Message state{.type = "state",
                .fields = {{"network", facts.has_network ? "yes" : "no"},
                           {"passing", passing ? "yes" : "no"},
                           {"lazy", facts.lazy ? "yes" : "no"}}};
  if (!facts.live.empty()) state.attachments.push_back({"live", 0600, facts.live});
  auto answer = courier.question(state);
  if (answer) return {};
  return stage_error(MigrateExit::copy_failed, "CT " + facts.id.text(), "its state cannot be sent",
                     std::move(answer).error());
}

Status abandon_online(container::Context& context, CtId id, bool lazy) {
  Kernel& kernel = context.kernel();
  TH_ASSIGN(const auto init, kernel.processes().find(container::label_of(id)));
  if (lazy && init) TH_TRY(kernel.checkpoints().drop_pages(*init));
  TH_TRY(container::cancel_suspend(context, id, container::dump_path(context.node, id), false));
  return container::reapply(context, id);
}

}  // namespace twinhull::migrate
