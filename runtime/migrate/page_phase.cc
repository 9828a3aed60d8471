#include "runtime/migrate/page_phase.h"

#include <fmt/format.h>

#include "runtime/container/state.h"
#include "runtime/kernel/clock.h"
#include "runtime/kernel/host.h"
#include "runtime/migrate/exit_codes.h"
#include "runtime/migrate/message.h"
#include "runtime/migrate/page_service.h"
#include "runtime/migrate/recovery.h"

namespace twinhull::migrate {
namespace {

constexpr Duration kAnswerTimeout = seconds(120);
constexpr Duration kPause = seconds(2);
constexpr std::uint64_t kMostPages = std::uint64_t{1} << 48U;

class PagePhase {
 public:
  PagePhase(container::Context& context, const PagesOwner& owner,
            std::unique_ptr<Channel>& channel)
      : context_(context), owner_(owner), channel_(channel) {}

  Result<PagesOutcome> run(int tries) {
    for (int left = tries;;) {
      const Result<bool> done = once();
      if (done && *done) return outcome_;
      --left;
      if (done && left > 0) continue;
      const Error error = done ? fail(ErrorCode::protocol, "migrate.pages", owner_.peer.host,
                                      "it lacks memory of which there is no more here")
                               : done.error();
      if (error.code == ErrorCode::node_down || error.code == ErrorCode::interrupted || left <= 0)
        return error;
      hang_up();
      context_.reporter.detail("the memory has to wait: " + error.message());
      TH_TRY(context_.kernel().clock().sleep(kPause));
    }
  }

 private:
  /// True: the destination lacks nothing any more. False: ask again at once.
  Result<bool> once() {
    if (!channel_) {
      TH_ASSIGN(PeerConnection connection, connect_peer(context_, owner_.peer));
      channel_ = std::move(connection.channel);
    }
    TH_ASSIGN(const std::optional<ProcessRef> init,
              context_.kernel().processes().find(container::label_of(owner_.id)));
    Message message{.type = kPagesFollow,
                    .fields = {{"ctid", owner_.id_there.text()}, {"token", owner_.token}}};
    if (!init || lost_) message.fields["lost"] = "yes";
    TH_ASSIGN(const Message answer, ask(*channel_, message, kAnswerTimeout, owner_.peer.host));
    outcome_.restarted = answer.says_yes("restarted");
    outcome_.problem = answer.text("problem");
    if (!answer.says_yes("lacks")) return true;
    const auto given = context_.kernel().checkpoints().give_pages(*init, *channel_);
    if (!given) {
      const ErrorCode code = given.error().code;
      if (code != ErrorCode::not_found && code != ErrorCode::not_running) return given.error();
      // The other end waits for what is not there: it hears why on another connection.
      lost_ = true;
      hang_up();
      return false;
    }
    outcome_.moved.pages += given->pages;
    TH_ASSIGN(const Message taken, receive_message(*channel_, kAnswerTimeout));
    if (taken.type == "error") return peer_error(taken, owner_.peer.host);
    Pages faults = given->faults;
    if (!taken.text("faults").empty()) {  // who waited is known over there
      TH_ASSIGN(faults.value, taken.number("faults", kMostPages));
    }
    outcome_.moved.faults += faults;
    return !taken.says_yes("lacks");
  }

  void hang_up() {
    if (channel_) channel_->close();
    channel_.reset();
  }

  container::Context& context_;
  const PagesOwner& owner_;
  std::unique_ptr<Channel>& channel_;
  PagesOutcome outcome_;
  bool lost_ = false;
};

}  // namespace

Result<PagesOutcome> follow_with_pages(container::Context& context, const PagesOwner& owner,
                                       std::unique_ptr<Channel>& channel, int tries) {
  return PagePhase(context, owner, channel).run(tries);
}

Error pages_are_waited_for(const container::Context& context, const PagesOwner& owner,
                           Error cause) {
  const std::string& host = owner.peer.host;
  const bool silent = cause.code == ErrorCode::interrupted || cause.code == ErrorCode::node_down;
  Error error = fail(cause.code, "migrate.pages", "CT " + owner.id.text(),
                     fmt::format("has moved to {} and runs there, but memory that it lacks is still "
                                 "here, and it stands still where it needs it",
                                 host))
                    .with_hint(fmt::format(
                        "any command on CT {} here sends the rest when {} can be reached; if it "
                        "never will be and the container is to live here as it was before the "
                        "move, remove {}",
                        owner.id.text(), host, context.node.journal_file(owner.id)))
                    .caused_by(std::move(cause));
  return silent ? error : std::move(error).with_exit_code(to_int(MigrateExit::connection_broken));
}

Result<std::string> no_lazy_reason(container::Context& context, const Message& there,
                                   std::string_view host, bool starts) {
  if (!starts) return std::string("it is not to run there at once");
  TH_ASSIGN(const Support own, context.kernel().host().supports(Feature::lazy_pages));
  if (!own.available) return "this node cannot hold memory back: " + own.reason;
  const std::string reason = there.text("no_lazy_pages");
  if (reason.empty()) return reason;
  return fmt::format("{} cannot run it without all of its memory: {}", host, reason);
}

Status check_memory_is_here(container::Context& context, CtId id) {
  TH_ASSIGN(const ProcessRef init, container::require_running(context.kernel(), id));
  TH_ASSIGN(const bool lacks, context.kernel().checkpoints().lacks_pages(init));
  if (!lacks) return {};
  return fail(ErrorCode::busy, "migrate.pages", "CT " + id.text(),
              "lacks memory that has yet to come from the node that it came from")
      .with_exit_code(to_int(MigrateExit::cannot_stop))
      .with_hint("try again when that migration is complete");
}

void tell_pages(container::Context& context, const PagesOwner& owner, const PagesOutcome& outcome) {
  if (outcome.restarted) {
    context.reporter.warn(fmt::format(
        "the memory of CT {} that was still here is lost: at {} it was killed and started anew "
        "from its disk",
        owner.id.text(), owner.peer.host));
  }
  if (!outcome.problem.empty()) {
    context.reporter.warn(
        fmt::format("it did not come up at {}: {}", owner.peer.host, outcome.problem));
  }
}

}  // namespace twinhull::migrate
