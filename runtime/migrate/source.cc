#include "runtime/migrate/source.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/config/setting_values.h"
#include "runtime/container/apply.h"
#include "runtime/container/dump.h"
#include "runtime/container/locked.h"
#include "runtime/container/operations.h"
#include "runtime/container/recovery.h"
#include "runtime/container/scripts.h"
#include "runtime/container/state.h"
#include "runtime/kernel/checkpoints.h"
#include "runtime/kernel/clock.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"
#include "runtime/migrate/arrival.h"
#include "runtime/migrate/checks.h"
#include "runtime/migrate/courier.h"
#include "runtime/migrate/departure_messages.h"
#include "runtime/migrate/exit_codes.h"
#include "runtime/migrate/keeper.h"
#include "runtime/migrate/letting_go.h"
#include "runtime/migrate/online.h"
#include "runtime/migrate/page_phase.h"
#include "runtime/migrate/receipt.h"
#include "runtime/migrate/recovery.h"
#include "runtime/migrate/timing.h"
#include "runtime/migrate/verdict.h"

namespace twinhull::migrate {
namespace {

// How often a broken commit is asked about before the answer is left to a later command.
constexpr int kOutcomeTries = 10;
/// How long a verdict watches memory change.
constexpr Duration kWatch = seconds(1);

class Departure {
 public:
  Departure(container::Context& context, const MigrationRequest& request)
      : context_(context),
        request_(request),
        name_("CT " + request.id.text()),
        courier_(request.peer.host, request.timeout, transfer_options(context, request)) {}

  Status run() {
    TH_TRY(look());
    if (request_.keeper && online())
      context_.reporter.say("The keeper has no part: the processes stand still for a moment only");
    else if (request_.keeper)
      TH_TRY(check_keeper(context_, *request_.keeper, request_.id));
    begins(MoveStage::check);
    TH_TRY(connect());
    TH_TRY(check());
    if (request_.verdict) return tell_verdict();
    TH_TRY(judge(problems_));
    if (request_.dry_run) {
      context_.reporter.say("All checks passed: the container can be migrated");
      return {};
    }
    const Instant begun = kernel().clock().now();
    Status moved = move();
    timing_.total = kernel().clock().now() - begun;
    if (moved && request_.times)
      for (const std::string& line : timing_lines(request_.id, timing_, online()))
        context_.reporter.say(line);
    if (moved && request_.watcher != nullptr) request_.watcher->moved(timing_, online());
    if (moved || ended_for_good(moved.error())) return moved;
    return bring_back(std::move(moved).error());
  }

 private:
  /// Spec F4.32: what reads no faster than the limit needs no control group to be slowed down.
  static TransferOptions transfer_options(const container::Context& context,
                                          const MigrationRequest& request) {
    TransferOptions options;
    options.rate = request.rate;
    const BytesPerSecond tools = context.node.tools_iolimit;
    if (tools.value != 0 && (!options.rate || tools < *options.rate)) options.rate = tools;
    options.compress = request.compress;
    return options;
  }

  Kernel& kernel() { return context_.kernel(); }

  void begins(MoveStage stage, Bytes expected = {}) {
    if (request_.watcher != nullptr) request_.watcher->begins(stage, expected);
  }

  /// The node is off, or the outcome is open: nothing may be touched any more.
  bool ended_for_good(const Error& error) const {
    return error.code == ErrorCode::node_down || in_doubt_ || departed_;
  }

  Status look() {
    auto config = load_container_config(kernel(), context_.layout(), context_.node, request_.id);
    if (!config) {
      const bool unknown = config.error().code == ErrorCode::not_found;
      return stage_error(unknown ? MigrateExit::not_on_source : MigrateExit::broken_container,
                         name_, unknown ? "is not on this node" : "cannot be read",
                         std::move(config).error());
    }
    config_ = std::move(*config);
    TH_ASSIGN(const container::State state,
              container::observe(kernel(), context_.layout(), context_.node, config_.settings));
    if (!state.has_private) {
      return fail(ErrorCode::not_found, "migrate.look", name_,
                  fmt::format("its private area {} does not exist", config_.settings.private_area))
          .with_exit_code(to_int(MigrateExit::broken_container));
    }
    if (state.paused) {
      return fail(ErrorCode::busy, "migrate.look", name_, "is paused")
          .with_exit_code(to_int(MigrateExit::cannot_stop))
          .with_hint("resume or stop it first");
    }
    was_ = state.running()   ? FinalState::running
           : state.suspended ? FinalState::suspended
           : state.mounted   ? FinalState::mounted
                             : FinalState::stopped;
    mounted_ = state.mounted;
    if (!online()) return {};
    TH_ASSIGN(const Support support, kernel().host().supports(Feature::checkpoint));
    facts_.here = support.pace;
    if (support.available) return check_memory_is_here(context_, request_.id);
    return fail(ErrorCode::not_supported, "migrate.look", name_,
                "this node has no checkpoints: " + support.reason)
        .with_exit_code(to_int(MigrateExit::live_engine))
        .with_hint("without --online it is stopped, moved and started");
  }

  Status connect() {
    auto connection = connect_peer(context_, request_.peer);
    if (!connection) {
      return stage_error(MigrateExit::connect, request_.peer.text(),
                         "the destination cannot be reached, nothing has begun",
                         std::move(connection).error());
    }
    courier_.use(std::move(connection->channel));
    TH_ASSIGN(const std::string own, node_identity(context_));
    if (connection->identity == own) {
      return fail(ErrorCode::invalid_argument, "migrate.connect", request_.peer.text(),
                  "source and destination are the same node")
          .with_exit_code(to_int(MigrateExit::same_node));
    }
    return {};
  }

  Status check() {
    const CtSettings& settings = config_.settings;
    if (!plain_template_name(settings.ostemplate)) {
      return fail(ErrorCode::corrupt, "migrate.check", name_,
                  fmt::format("OSTEMPLATE \"{}\" is no name of a template", settings.ostemplate))
          .with_exit_code(to_int(MigrateExit::broken_container));
    }
    TH_ASSIGN(const Arrival arrival,
              arrival_at_destination(context_, request_, settings, name_there(), online()));
    template_size_ = arrival.template_size;
    auto answer = question(arrival_message(arrival));
    if (!answer) {
      return stage_error(MigrateExit::system, name_, "the destination cannot check it",
                         std::move(answer).error());
    }
    send_template_ = !answer->says_yes("template");
    problems_ = answer->problems;
    facts_.files = area_size_ = arrival.area;
    if (send_template_) facts_.files += arrival.template_size;
    if (!online()) return {};
    if (request_.online->lazy) TH_TRY(decide_lazy(*answer));
    TH_ASSIGN(facts_.there, parse_pace_fields(*answer));
    // Before hours of copying, not after.
    const Duration watch = request_.verdict ? kWatch : Duration{0};
    TH_ASSIGN(const ProcessRef init, container::require_running(kernel(), request_.id));
    TH_ASSIGN(facts_.survey, kernel().checkpoints().survey(init, watch));
    std::vector<Problem> own = problems_of(facts_.survey, request_.verdict);
    problems_.insert(problems_.begin(), own.begin(), own.end());
    return {};
  }

  /// Memory follows if both ends can.
  Status decide_lazy(const Message& there) {
    TH_ASSIGN(const std::string why,
              no_lazy_reason(context_, there, request_.peer.host, request_.start));
    lazy_ = why.empty();
    if (lazy_) return {};
    if (request_.online->must_iterate) {
      problems_.push_back({to_int(MigrateExit::unsupported), "--lazy: " + why});
    } else {
      context_.reporter.warn("--lazy: " + why + "; all of its memory is copied before it goes on");
    }
    return {};
  }

  Status tell_verdict() {
    TH_TRY(measure_link(context_, courier_, facts_));
    TH_TRY(measure_disk(context_, request_.id, facts_));
    if (request_.rate) facts_.bandwidth = std::min(facts_.bandwidth, *request_.rate);
    Verdict verdict{.id = request_.id,
                    .host = request_.peer.host,
                    .problems = problems_,
                    .online = online(),
                    .facts = facts_,
                    .send_template = send_template_,
                    .prediction = {}};
    std::erase_if(verdict.problems, [&](const Problem& problem) { return is_skipped(problem); });
    if (online()) {
      TH_ASSIGN(const Support tracking, kernel().host().supports(Feature::dirty_tracking));
      verdict.facts.iterative = request_.online->iterative && tracking.available;
      verdict.facts.lazy = lazy_;
      verdict.facts.goals = request_.online->goals;
      verdict.prediction = predict(verdict.facts);
    }
    if (request_.json) {
      context_.reporter.say(verdict_json(verdict));
    } else {
      for (const std::string& line : verdict_text(verdict)) context_.reporter.say(line);
    }
    if (verdict.good()) return {};
    return fail(ErrorCode::failed, "migrate.check", name_,
                fmt::format("{} things stand in the way", verdict.problems.size()))
        .with_exit_code(verdict.exit_code());
  }

  [[nodiscard]] bool is_skipped(const Problem& problem) const {
    return std::any_of(request_.skipped.begin(), request_.skipped.end(),
                       [&](MigrateExit code) { return to_int(code) == problem.exit_code; });
  }

  /// All problems are shown; the first that may not be skipped decides.
  Status judge(const std::vector<Problem>& problems) {
    const Problem* decisive = nullptr;
    for (const Problem& problem : problems) {
      const bool skipped = is_skipped(problem);
      context_.reporter.warn(problem.text + (skipped ? " (skipped)" : ""));
      if (!skipped && decisive == nullptr) decisive = &problem;
    }
    if (decisive == nullptr) return {};
    return fail(ErrorCode::failed, "migrate.check", name_,
                fmt::format("cannot go to {}: {}", request_.peer.host, decisive->text))
        .with_exit_code(decisive->exit_code);
  }

  Status move() {
    context_.reporter.say(
        fmt::format("Starting migration of CT {} to {}", request_.id.text(), request_.peer.host));
    TH_TRY(begin());
    if (send_template_) {
      context_.reporter.say("Copying template " + config_.settings.ostemplate);
      begins(MoveStage::copy_template, template_size_);
      TH_TRY(send_tree({.type = "template"}, {.path = template_path(), .accepted = true}));
    }
    if (online()) return move_online();
    if (was_ == FinalState::suspended && mounted_) {
      TH_TRY(container::unmount(context_, request_.id, {}));
    } else if (was_ == FinalState::running || was_ == FinalState::mounted) {
      TH_TRY(first_copy());
      begins(MoveStage::stop);
      const Instant down = kernel().clock().now();
      down_ = down;
      TH_TRY(bring_down());
      timing_.stop = kernel().clock().now() - down;
      TH_TRY(lend_addresses());
    }
    TH_TRY(last_copy());
    if (was_ == FinalState::suspended) TH_TRY(send_dump());
    return commit();
  }

  Status move_online() {
    // It exists before the first trace of the move: pages that are watched, CPU time taken away, a
    // hold. Nobody there needs to be asked before the commit.
    TH_TRY(write_departure(/*asked=*/false));
    moving_ = true;
    TH_TRY(container::begin_dump(kernel(), container::dump_path(context_.node, request_.id)));
    TH_TRY(first_copy());
    OnlineMove state(context_, request_.id, courier_, timing_);
    if (request_.online->iterative) {
      begins(MoveStage::copy_memory);
      TH_TRY(state.copy_memory(request_.online->goals, request_.online->must_iterate, lazy_));
    }
    context_.reporter.say("Moving the processes");
    begins(MoveStage::stop);
    down_ = kernel().clock().now();
    TH_TRY(state.move_state(lazy_, [this] { return last_copy(); }));
    return commit();
  }

  /// While it runs: what changes meanwhile is for the last copy.
  Status first_copy() {
    if (area_there_) return {};
    context_.reporter.say("Copying private area " + config_.settings.private_area);
    begins(MoveStage::copy_area, area_size_);
    // A margin: the kernel's stamps may lag behind the clock by a tick or two.
    unchanged_before_ = WallTime(kernel().clock().wall() - seconds(1));
    const Instant begun = kernel().clock().now();
    TH_TRY(send_tree(
        {.type = "area", .fields = {{"pass", "first"}}},
        {.path = config_.settings.private_area, .changing = true, .update = area_older_}));
    timing_.first_copy = kernel().clock().now() - begun;
    return {};
  }

  Status last_copy() {
    if (area_there_) {
      context_.reporter.say("The private area is there already");
      return {};
    }
    if (!unchanged_before_) {
      context_.reporter.say("Copying private area " + config_.settings.private_area);
      begins(MoveStage::copy_area, area_size_);
    }
    const Instant begun = kernel().clock().now();
    TH_TRY(send_tree({.type = "area", .fields = {{"pass", "last"}}},
                     {.path = config_.settings.private_area,
                      .changing = false,
                      .update = area_older_ || unchanged_before_.has_value(),
                      .unchanged_before = unchanged_before_,
                      .accepted = true}));
    timing_.last_copy = kernel().clock().now() - begun;
    return {};
  }

  /// Of a suspended container: its facts name it by its number here.
  Status send_dump() {
    const std::string dump = container::dump_path(context_.node, request_.id);
    TH_ASSIGN(const container::DumpFacts facts, container::read_dump_facts(kernel(), dump));
    context_.reporter.say("Copying its suspended state");
    TH_TRY(send_tree({.type = "images", .fields = {{"name", "images"}}},
                     {.path = container::dump_images(dump)}));
    return send_state(courier_, facts, /*passing=*/false);
  }

  /// Sends, and counts.
  Status send_tree(const Message& message, const Courier::Tree& tree) {
    TH_ASSIGN(const TransferResult sent, courier_.send_tree(message, tree));
    timing_.wire += sent.wire;
    context_.reporter.detail(fmt::format("{}: {} bytes in {} files, {} bytes on the wire",
                                         tree.path, sent.size.bytes.value, sent.size.inodes.value,
                                         sent.wire.value));
    return {};
  }

  Status begin() {
    TH_ASSIGN(token_, new_token(kernel(), request_.id));
    TH_ASSIGN(scripts_, container::present_scripts(context_, request_.id));
    TH_ASSIGN(const Message message,
              begin_message(context_, request_, config_, scripts_, token_, brings_processes(),
                            was_ == FinalState::stopped));
    auto answer = question(message);
    if (!answer) {
      return stage_error(MigrateExit::system, name_, "the destination cannot take it",
                         std::move(answer).error());
    }
    area_there_ = answer->says_yes("area");
    area_older_ = answer->text("area") == "older";
    return {};
  }

  /// Spec F3.13: somebody answers for it while it is down. The move does not depend on it.
  Status lend_addresses() {
    const std::vector<IpPrefix>& addresses = config_.settings.addresses;
    if (!request_.keeper || was_ != FinalState::running || addresses.empty()) return {};
    // It exists before the keeper has anything that is not its own.
    keeping_ = true;
    TH_TRY(write_departure(/*asked=*/false));
    const Status kept = keep_addresses(context_, *request_.keeper, addresses);
    if (kept) {
      context_.reporter.say(fmt::format("CT {} answers for {} meanwhile", request_.keeper->text(),
                                        container::address_text(addresses)));
      return {};
    }
    if (kept.error().code == ErrorCode::node_down || kept.error().code == ErrorCode::interrupted)
      return kept;
    context_.reporter.warn("nobody answers for it meanwhile: " + kept.error().message());
    return {};
  }

  /// Before anybody else may have the addresses.
  Status take_addresses_back() {
    if (!keeping_) return {};
    TH_TRY(release_addresses(context_, *request_.keeper, config_.settings.addresses));
    keeping_ = false;
    return {};
  }

  Status bring_down() {
    if (was_ == FinalState::stopped) return {};
    Status down = container::stop(context_, request_.id, {.comes_back = true});
    if (down) return {};
    return stage_error(MigrateExit::cannot_stop, name_, "cannot be stopped",
                       std::move(down).error());
  }

  Status commit() {
    // The destination answers for them as soon as it was asked.
    TH_TRY(take_addresses_back());
    TH_ASSIGN(const Intent intent, write_departure(/*asked=*/true));
    // From the first byte of this message on only the destination knows whose the container is.
    begins(MoveStage::start);
    FinalState state = was_;
    if (!request_.start) state = online() ? FinalState::suspended : FinalState::stopped;
    if (was_ == FinalState::suspended) state = FinalState::suspended;
    const Instant asked = kernel().clock().now();
    TH_ASSIGN(const bool adopted, ask_commit(state));
    timing_.start = kernel().clock().now() - asked - went_on_before_;
    if (down_) timing_.down = kernel().clock().now() - *down_ - went_on_before_;
    if (!adopted) {
      return fail(ErrorCode::failed, "migrate.commit", name_, "the destination did not take it")
          .with_exit_code(to_int(MigrateExit::system));
    }
    departed_ = true;
    if (lazy_) TH_TRY(follow());
    Status gone = let_go(context_, request_.id, intent,
                         courier_.connected() ? &courier_.channel() : nullptr);
    if (!gone) {
      return stage_error(MigrateExit::system, name_,
                         "it has moved, but what is left of it here could not be cleared away; "
                         "the next command on it tries again",
                         std::move(gone).error());
    }
    context_.reporter.say(
        fmt::format("CT {} has moved to {}", request_.id.text(), request_.peer.host));
    return {};
  }

  /// It runs there; what it lacks of its memory is here.
  Status follow() {
    context_.reporter.say("Moving the rest of its memory");
    begins(MoveStage::pages, to_bytes(timing_.behind));
    const Instant begun = kernel().clock().now();
    const PagesOwner owner{request_.peer, request_.id, request_.id_there, token_};
    auto channel = courier_.release();
    const auto followed = follow_with_pages(context_, owner, channel, kOutcomeTries);
    courier_.use(std::move(channel));
    if (!followed) return pages_are_waited_for(context_, owner, followed.error());
    tell_pages(context_, owner, *followed);
    timing_.pages = kernel().clock().now() - begun;
    timing_.followed = followed->moved.pages;
    timing_.awaited = followed->moved.faults;
    timing_.wire += to_bytes(timing_.followed);
    return {};
  }

  /// The journal of the move. `asked`: the destination may have been asked to take it over.
  Result<Intent> write_departure(bool asked) {
    TH_ASSIGN(std::vector<Step> steps,
              letting_go_steps(context_, config_.settings, scripts_,
                               request_.remove_source.value_or(context_.node.remove_migrated)));
    Intent intent = departure_intent(request_.peer, request_.id_there, token_, std::move(steps));
    intent.facts["asked"] = asked ? "yes" : "no";
    if (keeping_) {
      intent.facts["keeper"] = request_.keeper->text();
      intent.facts["kept"] = container::address_text(config_.settings.addresses);
    }
    if (online()) {
      intent.facts["online"] = "yes";
      intent.facts["goes_on"] = request_.start ? "yes" : "no";
      if (lazy_) intent.facts["lazy"] = "yes";
    }
    TH_TRY(write_intent(kernel(), context_.node.journal_file(request_.id), intent));
    return intent;
  }

  /// True: adopted. An error: certainly not adopted, or in_doubt_ is set.
  Result<bool> ask_commit(FinalState state) {
    const Message message{.type = "commit", .fields = {{"state", std::string(to_string(state))}}};
    Status sent = send_message(courier_.channel(), message);
    Error lost;
    if (sent) {
      auto answer = receive_message(courier_.channel(), request_.timeout);
      if (answer && answer->type == "ok") {
        const auto since = answer->number("since_us", 3'600'000'000U);
        if (since) went_on_before_ = microseconds(*since);
        return true;
      }
      if (answer && answer->type == "error") return peer_error(*answer, request_.peer.host);
      lost = answer ? fail(ErrorCode::protocol, "migrate.commit", request_.peer.host,
                           "an answer that is none")
                    : std::move(answer).error();
    } else {
      lost = std::move(sent).error();
    }
    if (lost.code == ErrorCode::node_down) return lost;
    context_.reporter.warn("the connection broke at the commit; asking the destination");
    courier_.close();
    auto outcome =
        ask_outcome(context_, request_.peer, request_.id_there, token_, kOutcomeTries, state);
    if (outcome && !outcome->problem.empty()) {
      context_.reporter.warn("it could not be brought up at its destination: " + outcome->problem);
    }
    if (outcome) {
      auto again = connect_peer(context_, request_.peer);
      if (again) courier_.use(std::move(again->channel));
      return outcome->adopted;
    }
    in_doubt_ = true;
    return stage_error(MigrateExit::connection_broken, name_,
                       fmt::format("it is unknown whether it has moved to {}; it stays {} "
                                   "here until a command on it can ask",
                                   request_.peer.host, online() ? "frozen" : "stopped"),
                       std::move(outcome).error());
  }

  /// Before the commit, or refused by the destination: as it was before.
  Error bring_back(Error error) {
    const auto also = [&](const Status& status) {
      if (!status) error.detail += "; also failed: " + status.error().message();
    };
    if (moving_) {
      // First of all: it stands still, and closing the connection may take its time.
      const Status back = abandon_online(context_, request_.id, lazy_);
      give_up(error);
      if (!back) {  // the journal stays: the next command tries again
        also(back);
        return error;
      }
    } else {
      give_up(error);
    }
    if (const Status back = take_addresses_back(); !back) {  // likewise
      also(back);
      return error;
    }
    also(clear_intent(kernel(), context_.node.journal_file(request_.id), true));
    if (was_ == FinalState::stopped) return error;
    const auto state =
        container::observe(kernel(), context_.layout(), context_.node, config_.settings);
    if (!state) {
      also(state.error());
      return error;
    }
    if (moving_ && !state->running()) {
      // Nobody stopped it: it ended by itself meanwhile, and is as after any such end.
      context_.reporter.warn("it has ended by itself meanwhile");
      const auto removed = container::tear_down(context_, request_.id, /*unmount=*/true);
      if (!removed) also(removed.error());
    } else if (was_ == FinalState::running && !state->running()) {
      context_.reporter.say("Bringing the container up again");
      also(container::start(context_, request_.id, {.force = true}));
    } else if (mounted_ && !state->running() && !state->mounted) {
      also(container::mount(context_, request_.id, {}));
    }
    return error;
  }

  /// Lets the destination clear away before this command ends. It would do so anyway when it hears
  /// no more.
  void give_up(const Error& error) {
    const bool broken = error.code == ErrorCode::connection_lost ||
                        error.code == ErrorCode::timed_out || error.code == ErrorCode::protocol;
    if (!broken && !courier_.broken()) static_cast<void>(question({.type = "abandon"}));
    courier_.close();
  }

  Result<Message> question(const Message& message) { return courier_.question(message); }
  [[nodiscard]] bool online() const {
    return request_.online.has_value() && was_ == FinalState::running;
  }
  [[nodiscard]] bool brings_processes() const {
    return online() || was_ == FinalState::suspended;
  }
  [[nodiscard]] std::string name_there() const {
    return request_.name_there.empty() ? config_.settings.name : request_.name_there;
  }
  [[nodiscard]] std::string template_path() const {
    return context_.node.template_cache(config_.settings.ostemplate);
  }

  container::Context& context_;
  const MigrationRequest& request_;
  std::string name_;
  ContainerConfig config_;
  FinalState was_ = FinalState::stopped;
  bool mounted_ = false;
  Courier courier_;
  std::vector<Problem> problems_;
  MoveFacts facts_;
  Bytes area_size_;
  Bytes template_size_;
  std::string token_;
  std::vector<container::ScriptFile> scripts_;
  bool send_template_ = false;
  bool area_there_ = false;                   ///< whole, from an earlier attempt
  bool area_older_ = false;                   ///< an earlier state of it
  std::optional<WallTime> unchanged_before_;  ///< set by the first copy
  bool keeping_ = false;                      ///< the keeper may have its addresses
  bool moving_ = false;  ///< processes are on their way: abandon_online takes it back
  std::optional<Instant> down_;
  Duration went_on_before_{0};  ///< how long it ran there when the answer was sent
  Timing timing_;
  bool lazy_ = false;      ///< memory follows it
  bool in_doubt_ = false;  ///< nobody knows yet whose the container is
  bool departed_ = false;  ///< it is the destination's
};

}  // namespace

Status migrate_container(container::Context& context, const MigrationRequest& request) {
  context.reporter.about(request.id);
  return container::with_lock(context, request.id, "migrating",
                              [&]() -> Status { return Departure(context, request).run(); });
}

}  // namespace twinhull::migrate
