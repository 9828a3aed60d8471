#include "runtime/migrate/recovery.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/config/container_index.h"
#include "runtime/container/recovery.h"
#include "runtime/container/resume.h"
#include "runtime/kernel/clock.h"
#include "runtime/kernel/host.h"
#include "runtime/migrate/exit_codes.h"
#include "runtime/migrate/keeper.h"
#include "runtime/migrate/online.h"
#include "runtime/migrate/page_phase.h"
#include "runtime/migrate/serve.h"
#include "runtime/migrate/ssh_options.h"

namespace twinhull::migrate {
namespace {

using container::says_yes;

constexpr Duration kConnectTimeout = seconds(30);
constexpr Duration kAnswerTimeout = seconds(120);
constexpr Duration kPause = seconds(2);
constexpr int kPageTries = 3;

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
  if (answer.text("adopted") == "no") return CommitOutcome{false, answer.text("problem")};
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

/// What a keeper has of a container that did not go (--keeper).
Status release_kept(container::Context& context, const Intent& intent) {
  const auto keeper = intent.facts.find("keeper");
  if (keeper == intent.facts.end()) return {};
  TH_ASSIGN(const CtId id, parse_ctid(keeper->second));
  TH_ASSIGN(const std::string kept, fact(intent, "kept"));
  std::vector<IpPrefix> addresses;
  for (std::string_view rest = kept; !rest.empty();) {
    const std::string_view word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(word.size() + 1, rest.size()));
    const auto address = IpAddress::parse(word);
    if (!address)
      return fail(ErrorCode::corrupt, "migrate.recover", "journal",
                  fmt::format("\"{}\" is no address", word));
    addresses.push_back(IpPrefix::host(*address));
  }
  return release_addresses(context, id, addresses);
}

Status recover(container::Context& context, CtId id, const Intent& intent) {
  TH_ASSIGN(const std::string host, fact(intent, "host"));
  TH_ASSIGN(const std::string user, fact(intent, "user"));
  TH_ASSIGN(const std::string token, fact(intent, "token"));
  TH_ASSIGN(const std::string number, fact(intent, "ctid"));
  TH_ASSIGN(const CtId id_there, parse_ctid(number));
  PeerAddress peer{user, host};
  // Of a release before this one: none.
  if (const auto ssh = intent.facts.find("ssh"); ssh != intent.facts.end())
    peer.ssh_options = ssh_options_of_fact(ssh->second);
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
      context.reporter.warn("it could not be brought up at its destination: " + outcome->problem);
  }
  if (!adopted) {
    TH_TRY(release_kept(context, intent));
    if (online) TH_TRY(abandon_online(context, id, says_yes(intent, "lazy")));
    context.reporter.say(fmt::format("CT {} did not move to {}: it stays here", id.text(), host));
    return {};
  }
  std::unique_ptr<Channel> channel;
  if (says_yes(intent, "lazy") && intent.phase != IntentPhase::roll_forward) {
    const PagesOwner owner{peer, id, id_there, token};
    const auto followed = follow_with_pages(context, owner, channel, kPageTries);
    if (!followed) return pages_are_waited_for(context, owner, followed.error());
    tell_pages(context, owner, *followed);
  }
  context.reporter.say(fmt::format("CT {} has moved to {}", id.text(), host));
  if (!channel) {
    auto connection = connect_peer(context, peer);
    if (connection) channel = std::move(connection->channel);
  }
  return let_go(context, id, intent, channel.get());
}

}  // namespace

container::RecoveryHandler recovery_handler() {
  return {"migrate", recover};
}

Result<bool> has_open_departure(Kernel& kernel, const Layout& layout) {
  TH_ASSIGN(const NodeConfig node, load_node_config(kernel, layout));
  const auto entries = kernel.files().list(node.lock_directory);
  if (!entries && entries.error().code == ErrorCode::not_found) return false;
  if (!entries) return entries.error();
  for (const DirectoryEntry& entry : *entries) {
    if (!entry.name.ends_with(".journal")) continue;
    const auto intent = read_intent(kernel, node.lock_directory + "/" + entry.name);
    // Damaged ones are the business of the command that meets them.
    if (!intent || !intent->has_value() || (*intent)->operation != "migrate") continue;
    if ((*intent)->phase == IntentPhase::roll_back && says_yes(**intent, "asked")) return true;
  }
  return false;
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
  if (!peer.ssh_options.empty()) intent.facts["ssh"] = ssh_options_fact(peer.ssh_options);
  return intent;
}

Status let_go(container::Context& context, CtId id, Intent intent, Channel* channel) {
  const std::string journal = context.node.journal_file(id);
  if (intent.phase != IntentPhase::roll_forward) {
    intent.phase = IntentPhase::roll_forward;
    TH_TRY(write_intent(context.kernel(), journal, intent));
  }
  if (says_yes(intent, "online")) {
    // The images before anything else: an unmount has them written to the disk, for nobody.
    TH_TRY(context.kernel().files().remove_tree(
        container::unfinished_dump(container::dump_path(context.node, id))));
    // The frozen processes have gone on there: they end without another instruction here.
    TH_TRY(container::end_dumped(context, id));
  }
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
