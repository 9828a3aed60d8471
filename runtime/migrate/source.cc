#include "runtime/migrate/source.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/config/setting_values.h"
#include "runtime/container/locked.h"
#include "runtime/container/operations.h"
#include "runtime/container/scripts.h"
#include "runtime/container/state.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"
#include "runtime/migrate/arrival.h"
#include "runtime/migrate/checks.h"
#include "runtime/migrate/exit_codes.h"
#include "runtime/migrate/receipt.h"
#include "runtime/migrate/recovery.h"

namespace twinhull::migrate {
namespace {

// How often a broken commit is asked about before the answer is left to a later command.
constexpr int kOutcomeTries = 10;

class Departure {
 public:
  Departure(container::Context& context, const MigrationRequest& request)
      : context_(context), request_(request), name_("CT " + request.id.text()) {}

  Status run() {
    TH_TRY(look());
    TH_TRY(connect());
    TH_TRY(check());
    if (request_.dry_run) {
      context_.reporter.say("All checks passed: the container can be migrated");
      return {};
    }
    Status moved = move();
    if (moved || ended_for_good(moved.error())) return moved;
    return bring_back(std::move(moved).error());
  }

 private:
  Kernel& kernel() { return context_.kernel(); }

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
    if (state.suspended) {
      return fail(ErrorCode::busy, "migrate.look", name_,
                  "is suspended, and this release does not move a suspended state")
          .with_exit_code(to_int(MigrateExit::cannot_stop))
          .with_hint("resume it first, or give the state up with: vzctl start");
    }
    was_ = state.running() ? FinalState::running
           : state.mounted ? FinalState::mounted
                           : FinalState::stopped;
    return {};
  }

  Status connect() {
    auto connection = connect_peer(context_, request_.peer);
    if (!connection) {
      return stage_error(MigrateExit::connect, request_.peer.text(), "cannot be reached",
                         std::move(connection).error());
    }
    channel_ = std::move(connection->channel);
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
    Arrival arrival;
    arrival.id = request_.id_there;
    arrival.name = settings.name;
    arrival.uuid = settings.uuid;
    arrival.addresses = settings.addresses;
    arrival.ostemplate = settings.ostemplate;
    TH_ASSIGN(const HostInfo host, kernel().host().info());
    arrival.architecture = host.architecture;
    TH_ASSIGN(const TreeSize area, kernel().files().measure_tree(settings.private_area));
    arrival.area = area.bytes;
    TH_ASSIGN(const bool here, template_present(context_, settings.ostemplate));
    if (here) {
      TH_ASSIGN(const TreeSize size, kernel().files().measure_tree(template_path()));
      // Never 0 when it is there: 0 says that it is not.
      arrival.template_size = {std::max<std::uint64_t>(size.bytes.value, 1)};
    }
    auto answer = question(arrival_message(arrival));
    if (!answer) {
      return stage_error(MigrateExit::system, name_, "the destination cannot check it",
                         std::move(answer).error());
    }
    send_template_ = !answer->says_yes("template");
    return judge(answer->problems);
  }

  /// All problems are shown; the first that may not be skipped decides.
  Status judge(const std::vector<Problem>& problems) {
    const Problem* decisive = nullptr;
    for (const Problem& problem : problems) {
      const bool skipped =
          std::any_of(request_.skipped.begin(), request_.skipped.end(),
                      [&](MigrateExit code) { return to_int(code) == problem.exit_code; });
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
      TH_TRY(send_tree("template", template_path()));
    }
    TH_TRY(bring_down());
    if (!area_there_) {
      context_.reporter.say("Copying private area " + config_.settings.private_area);
      TH_TRY(send_tree("area", config_.settings.private_area));
    } else {
      context_.reporter.say("The private area is there already");
    }
    return commit();
  }

  Status begin() {
    TH_ASSIGN(token_, new_token(kernel(), request_.id));
    Message message{.type = "begin",
                    .fields = {{"ctid", request_.id_there.text()},
                               {"token", token_},
                               {"private", request_.private_pattern},
                               {"root", request_.root_pattern},
                               {"keep", request_.keep_destination ? "yes" : "no"}}};
    message.attachments.push_back({"config", 0644, config_.file.text()});
    for (const std::string& path : container::container_scripts(context_.layout(), request_.id)) {
      TH_ASSIGN(const auto info, kernel().files().stat(path));
      if (!info || info->kind != FileKind::regular) continue;
      TH_ASSIGN(std::string content, kernel().files().read(path));
      message.attachments.push_back(
          {path.substr(path.find_last_of('.') + 1), info->mode, std::move(content)});
    }
    if (request_.keep_destination && was_ == FinalState::stopped) {
      TH_ASSIGN(message.fields["digest"],
                kernel().files().digest_tree(config_.settings.private_area));
    }
    auto answer = question(message);
    if (!answer) {
      return stage_error(MigrateExit::system, name_, "the destination cannot take it",
                         std::move(answer).error());
    }
    area_there_ = answer->says_yes("area");
    return {};
  }

  Status bring_down() {
    if (was_ == FinalState::stopped) return {};
    Status down = container::stop(context_, request_.id, {});
    if (down) return {};
    return stage_error(MigrateExit::cannot_stop, name_, "cannot be stopped",
                       std::move(down).error());
  }

  /// Both ends must have read the same tree, or it is not taken.
  Status send_tree(const std::string& what, const std::string& path) {
    const auto failed = [&](Error lower) {
      return stage_error(MigrateExit::copy_failed, name_, "copying " + path + " failed",
                         std::move(lower));
    };
    if (Status asked = send_message(*channel_, {.type = what}); !asked)
      return failed(std::move(asked).error());
    // Spec F4.32: what reads no faster than the limit needs no control group to be slowed down.
    TransferOptions options;
    if (context_.node.tools_iolimit.value != 0) options.rate = context_.node.tools_iolimit;
    auto sent = channel_->send_tree(path, options);
    if (!sent && sent.error().code == ErrorCode::node_down) return std::move(sent).error();
    auto answer = receive_message(*channel_, request_.timeout);
    if (answer && answer->type == "error") return failed(peer_error(*answer, request_.peer.host));
    if (!sent) return failed(std::move(sent).error());
    if (!answer) return failed(std::move(answer).error());
    if (answer->text("digest") != sent->digest) {
      return failed(fail(ErrorCode::corrupt, "migrate.copy", path,
                         fmt::format("the copy differs: {} here, {} there", sent->digest,
                                     answer->text("digest")))
                        .with_exit_code(to_int(MigrateExit::copy_failed)));
    }
    context_.reporter.detail(fmt::format("{} bytes in {} files, {} bytes on the wire",
                                         sent->size.bytes.value, sent->size.inodes.value,
                                         sent->wire.value));
    auto accepted = question({.type = what + "-good"});
    if (!accepted) return failed(std::move(accepted).error());
    return {};
  }

  Status commit() {
    TH_ASSIGN(std::vector<Step> steps, let_go_steps());
    const Intent intent =
        departure_intent(request_.peer, request_.id_there, token_, std::move(steps));
    TH_TRY(write_intent(kernel(), context_.node.journal_file(request_.id), intent));
    // From the first byte of this message on only the destination knows whose the container is.
    const FinalState state = request_.start ? was_ : FinalState::stopped;
    TH_ASSIGN(const bool adopted, ask_commit(state));
    if (!adopted) {
      return fail(ErrorCode::failed, "migrate.commit", name_, "the destination did not take it")
          .with_exit_code(to_int(MigrateExit::system));
    }
    departed_ = true;
    Status gone = let_go(context_, request_.id, intent, channel_.get());
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

  /// True: adopted. An error: certainly not adopted, or in_doubt_ is set.
  Result<bool> ask_commit(FinalState state) {
    const Message message{.type = "commit", .fields = {{"state", std::string(to_string(state))}}};
    Status sent = send_message(*channel_, message);
    Error lost;
    if (sent) {
      auto answer = receive_message(*channel_, request_.timeout);
      if (answer && answer->type == "ok") return true;
      if (answer && answer->type == "error") return peer_error(*answer, request_.peer.host);
      lost = answer ? fail(ErrorCode::protocol, "migrate.commit", request_.peer.host,
                           "an answer that is none")
                    : std::move(answer).error();
    } else {
      lost = std::move(sent).error();
    }
    if (lost.code == ErrorCode::node_down) return lost;
    context_.reporter.warn("the connection broke at the commit; asking the destination");
    channel_->close();
    auto outcome = ask_outcome(context_, request_.peer, request_.id_there, token_, kOutcomeTries,
                               state);
    if (outcome && !outcome->problem.empty()) {
      context_.reporter.warn("it has moved, but could not be brought up there: " +
                             outcome->problem);
    }
    if (outcome) {
      auto again = connect_peer(context_, request_.peer);
      if (again) channel_ = std::move(again->channel);
      return outcome->adopted;
    }
    in_doubt_ = true;
    return stage_error(MigrateExit::connection_broken, name_,
                       fmt::format("it is unknown whether it has moved to {}; it stays stopped "
                                   "here until a command on it can ask",
                                   request_.peer.host),
                       std::move(outcome).error());
  }

  /// What letting go of the container does, in an order that never leaves something that looks
  /// like a container.
  Result<std::vector<Step>> let_go_steps() {
    const CtSettings& settings = config_.settings;
    const bool remove = request_.remove_source.value_or(context_.node.remove_migrated);
    const std::string config = context_.layout().container_config(request_.id);
    std::vector<Step> steps;
    if (!settings.name.empty()) {
      steps.push_back(
          {StepKind::remove_file, context_.layout().names_directory() + "/" + settings.name, {}});
    }
    const auto put_away = [&](const std::string& path) {
      if (remove)
        steps.push_back({StepKind::remove_file, path, {}});
      else
        steps.push_back({StepKind::rename, path, path + ".migrated"});
    };
    put_away(config);
    for (const std::string& path : container::container_scripts(context_.layout(), request_.id)) {
      TH_ASSIGN(const auto info, kernel().files().stat(path));
      if (info) put_away(path);
    }
    if (remove) {
      steps.push_back({StepKind::remove_quota_tree, settings.private_area, {}});
    } else {
      // An area that an earlier migration left is kept too.
      std::string kept = settings.private_area + ".migrated";
      for (int number = 2;; ++number) {
        TH_ASSIGN(const auto there, kernel().files().stat(kept));
        if (!there) break;
        kept = fmt::format("{}.{}.migrated", settings.private_area, number);
      }
      steps.push_back({StepKind::rename_quota_tree, settings.private_area, kept});
    }
    steps.push_back({StepKind::remove_file, settings.root, {}});
    return steps;
  }

  /// Before the commit, or refused by the destination: as it was before.
  Error bring_back(Error error) {
    channel_->close();
    const auto also = [&](const Status& status) {
      if (!status) error.detail += "; also failed: " + status.error().message();
    };
    also(clear_intent(kernel(), context_.node.journal_file(request_.id), true));
    if (was_ == FinalState::stopped) return error;
    const auto state = container::observe(kernel(), context_.layout(), context_.node, config_.settings);
    if (!state) {
      also(state.error());
      return error;
    }
    if (was_ == FinalState::running && !state->running()) {
      context_.reporter.say("Bringing the container up again");
      also(container::start(context_, request_.id, {.force = true}));
    } else if (was_ == FinalState::mounted && !state->mounted) {
      also(container::mount(context_, request_.id, {}));
    }
    return error;
  }

  Result<Message> question(const Message& message) {
    return ask(*channel_, message, request_.timeout, request_.peer.host);
  }
  [[nodiscard]] std::string template_path() const {
    return context_.node.template_cache(config_.settings.ostemplate);
  }

  container::Context& context_;
  const MigrationRequest& request_;
  std::string name_;
  ContainerConfig config_;
  FinalState was_ = FinalState::stopped;
  std::unique_ptr<Channel> channel_;
  std::string token_;
  bool send_template_ = false;
  bool area_there_ = false;
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
