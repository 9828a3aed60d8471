#include "runtime/migrate/recovery.h"

#include <fmt/format.h>

#include "runtime/config/container_index.h"
#include "runtime/container/recovery.h"
#include "runtime/container/resume.h"
#include "runtime/kernel/clock.h"
#include "runtime/kernel/host.h"
#include "runtime/migrate/exit_codes.h"
#include "runtime/migrate/online.h"
#include "runtime/migrate/serve.h"

namespace twinhull::migrate {
namespace {

using container::says_yes;

constexpr Duration kConnectTimeout = seconds(30);
constexpr Duration kAnswerTimeout = seconds(120);
constexpr Duration kPause = seconds(2);

Result<std::string> fact(const Intent& intent, const std::string& name) {
  const auto found = intent.facts.find(name);
  if (found != intent.facts.end()) return found->second;
  return fail(ErrorCode::corrupt, "migrate.recover", "journal",
              fmt::format("the fact \"{}\" is missing", name));
}

/// Whether asking again may help.
bool passing(ErrorCode code) {
  return code == ErrorCode::in_progress || code == ErrorCode::unreachable ||
         code == ErrorCode::connection_lost || code == ErrorCode::timed_out ||
         code == ErrorCode::interrupted;
}

Result<CommitOutcome> ask_once(container::Context& context, const PeerAddress& peer, CtId id_there,
                               const std::string& token, std::optional<FinalState> wished,
                               bool recovering) {
  TH_ASSIGN(const PeerConnection connection, connect_peer(context, peer));
  Message question{.type = "resolve", .fields = {{"ctid", id_there.text()}, {"token", token}}};
  if (wished) question.fields["state"] = to_string(*wished);
  if (recovering) question.fields["recovering"] = "yes";
  TH_ASSIGN(const Message answer, ask(*connection.channel, question, kAnswerTimeout, peer.host));
  connection.channel->close();
  if (answer.text("adopted") == "yes") return CommitOutcome{true, answer.text("problem")};
  if (answer.text("adopted") == "no") return CommitOutcome{};
  return fail(ErrorCode::protocol, "migrate.resolve", peer.host, "no clear answer");
}

/// Best effort: a receipt that stays costs a few bytes and harms nothing.
void forget(container::Context& context, const std::string& token, Channel& channel,
            std::string_view peer) {
  const Message question{.type = "forget", .fields = {{"token", token}}};
  if (const auto answer = ask(channel, question, kAnswerTimeout, peer); !answer) {
    context.reporter.detail("the receipt stays at the destination: " + answer.error().message());
  }
}

Status recover(container::Context& context, CtId id, const Intent& intent) {
  TH_ASSIGN(const std::string host, fact(intent, "host"));
  TH_ASSIGN(const std::string user, fact(intent, "user"));
  TH_ASSIGN(const std::string token, fact(intent, "token"));
  TH_ASSIGN(const std::string number, fact(intent, "ctid"));
  TH_ASSIGN(const CtId id_there, parse_ctid(number));
  const PeerAddress peer{user, host};
  const bool online = says_yes(intent, "online");
  bool adopted = intent.phase == IntentPhase::roll_forward;
  if (!adopted && says_yes(intent, "asked")) {
    std::optional<FinalState> wished;
    if (online && says_yes(intent, "goes_on")) wished = FinalState::running;
    auto outcome = ask_outcome(context, peer, id_there, token, 3, wished, /*recovering=*/true);
    if (!outcome) {
      return fail(outcome.error().code, "migrate.recover", "CT " + id.text(),
                  fmt::format("it may have moved to {}, which cannot be asked now", peer.text()))
          .with_hint(fmt::format("try again when {} is up; if it never will be and the container "
                                 "is to live here, remove {}",
                                 host, context.node.journal_file(id)))
          .caused_by(std::move(outcome).error());
    }
    adopted = outcome->adopted;
    if (!outcome->problem.empty())
      context.reporter.warn("it has moved, but could not be brought up there: " + outcome->problem);
  }
  if (!adopted) {
    if (online) TH_TRY(abandon_online(context, id));
    context.reporter.say(fmt::format("CT {} did not move to {}: it stays here", id.text(), host));
    return {};
  }
  context.reporter.say(fmt::format("CT {} has moved to {}", id.text(), host));
  auto connection = connect_peer(context, peer);
  return let_go(context, id, intent, connection ? connection->channel.get() : nullptr);
}

}  // namespace

container::RecoveryHandler recovery_handler() {
  return {"migrate", recover};
}

Result<std::string> node_identity(container::Context& context) {
  TH_ASSIGN(const std::string boot, context.kernel().host().boot_id());
  return boot + ":" + context.layout().root;
}

Result<PeerConnection> connect_peer(container::Context& context, const PeerAddress& peer) {
  PeerConnection connection;
  TH_ASSIGN(connection.channel,
            context.kernel().channels().connect(peer, kMigrationService, kConnectTimeout));
  TH_ASSIGN(const Message answer,
            ask(*connection.channel, {.type = "hello"}, kAnswerTimeout, peer.host));
  connection.identity = answer.text("identity");
  return connection;
}

Result<CommitOutcome> ask_outcome(container::Context& context, const PeerAddress& peer,
                                  CtId id_there, const std::string& token, int tries,
                                  std::optional<FinalState> wished, bool recovering) {
  while (true) {
    auto outcome = ask_once(context, peer, id_there, token, wished, recovering);
    if (outcome || --tries <= 0 || !passing(outcome.error().code)) return outcome;
    // An interrupt must not leave the container in doubt when the answer is near.
    const Status slept = context.kernel().clock().sleep(kPause);
    if (!slept && slept.error().code != ErrorCode::interrupted) return slept.error();
  }
}

Intent departure_intent(const PeerAddress& peer, CtId id_there, const std::string& token,
                        std::vector<Step> let_go_steps) {
  Intent intent;
  intent.operation = "migrate";
  intent.phase = IntentPhase::roll_back;  // until the destination has said that it has it
  intent.forward = std::move(let_go_steps);
  intent.facts = {
      {"host", peer.host}, {"user", peer.user}, {"ctid", id_there.text()}, {"token", token}};
  return intent;
}

Status let_go(container::Context& context, CtId id, Intent intent, Channel* channel) {
  const std::string journal = context.node.journal_file(id);
  if (intent.phase != IntentPhase::roll_forward) {
    intent.phase = IntentPhase::roll_forward;
    TH_TRY(write_intent(context.kernel(), journal, intent));
  }
  // The frozen processes have gone on there: they end without another instruction here.
  if (says_yes(intent, "online")) TH_TRY(container::end_dumped(context, id));
  TH_TRY(replay_intent(context.kernel(), intent));
  TH_TRY(clear_intent(context.kernel(), journal, true));
  const auto host = intent.facts.find("host");
  const auto token = intent.facts.find("token");
  if (channel != nullptr && host != intent.facts.end() && token != intent.facts.end()) {
    forget(context, token->second, *channel, host->second);
  }
  return {};
}

}  // namespace twinhull::migrate
