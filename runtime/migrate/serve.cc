#include "runtime/migrate/serve.h"

#include <fmt/format.h>

#include "runtime/config/container_index.h"
#include "runtime/container/locked.h"
#include "runtime/container/state.h"
#include "runtime/kernel/clock.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"
#include "runtime/migrate/arrival.h"
#include "runtime/migrate/checks.h"
#include "runtime/migrate/exit_codes.h"
#include "runtime/migrate/page_service.h"
#include "runtime/migrate/receipt.h"
#include "runtime/migrate/recovery.h"
#include "runtime/migrate/template_service.h"
#include "runtime/migrate/tools_group.h"
#include "runtime/node/log.h"

namespace twinhull {
namespace {

using namespace migrate;  // NOLINT: this is its serving end

// The source may be stopping its container meanwhile (STOP_TIMEOUT is up to a day, 120 s as a
// rule); a peer that is gone is noticed by the channel, not by this.
constexpr Duration kPatience = std::chrono::hours(25);

/// Nobody watches a service: what it says goes to the log.
class SilentConsole final : public Console {
 public:
  void out(std::string_view) override {}
  void error(std::string_view) override {}
};

Message ok() {
  return {.type = "ok"};
}

/// After other errors of a tree the channel is as good as before (Channel::receive_tree).
bool ends_the_stream(const Error& error) {
  return error.code == ErrorCode::connection_lost || error.code == ErrorCode::protocol ||
         error.code == ErrorCode::interrupted || error.code == ErrorCode::node_down;
}

class Service {
 public:
  Service(container::Context& context, Channel& channel) : context_(context), channel_(channel) {}

  Status run() {
    while (true) {
      auto message = next();
      if (!message) return message.error();
      if (!*message) return {};
      Status handled = handle(**message);
      if (handled) continue;
      if (handled.error().code == ErrorCode::node_down) return handled;
      context_.reporter.error(handled.error().message());
      // While it is open whose the container is, silence is the only right answer: the source will
      // ask on a new connection.
      if (!outcome_open_) {
        // The peer hears why; when it is gone the first error is the one to report.
        if (!send_message(channel_, error_message(handled.error()))) return handled;
        if (!stream_broken_) continue;
      }
      channel_.close();
      return handled;
    }
  }

 private:
  /// std::nullopt: the peer hung up in order.
  Result<std::optional<Message>> next() {
    auto message = receive_message(channel_, kPatience);
    if (message) return std::optional(std::move(*message));
    if (message.error().operation == "migrate.receive" &&
        message.error().code == ErrorCode::connection_lost) {
      return std::optional<Message>();
    }
    return std::move(message).error();
  }

  Status handle(const Message& message) {
    if (message.type == "hello") return hello();
    if (message.type == "check") return check(message);
    if (message.type == "begin") return arrive(message);
    if (message.type == "probe") return send_message(channel_, ok());
    if (message.type == "resolve") return resolve(message);
    if (message.type == "forget") return forget(message);
    if (message.type == kPagesFollow) return serve_pages(context_, channel_, message, stream_broken_);
    if (message.type == kTemplateOffer)
      return serve_template(context_, channel_, message, stream_broken_);
    return unexpected(message);
  }

  static Error unexpected(const Message& message) {
    return fail(ErrorCode::protocol, "migrate.serve", message.type, "unexpected message")
        .with_exit_code(to_int(MigrateExit::protocol));
  }

  Status hello() {
    TH_ASSIGN(const std::string identity, node_identity(context_));
    Message answer = ok();
    answer.fields["identity"] = identity;
    return send_message(channel_, answer);
  }

  Status check(const Message& message) {
    TH_ASSIGN(const Arrival arrival, parse_arrival(message));
    ArrivalChecks checks;
    // Under the lock: what an earlier attempt left half done is not in the way.
    TH_TRY(container::with_lock(context_, arrival.id, "migrating", [&]() -> Status {
      TH_ASSIGN(checks, check_arrival(context_, arrival));
      return {};
    }));
    Message answer = ok();
    answer.fields["template"] = checks.template_present ? "yes" : "no";
    answer.fields.merge(pace_fields(checks.pace));
    if (!checks.no_lazy_pages.empty()) answer.fields["no_lazy_pages"] = checks.no_lazy_pages;
    answer.problems = std::move(checks.problems);
    return send_message(channel_, answer);
  }

  Status arrive(const Message& begin) {
    TH_ASSIGN(ContainerArrival arrival, ContainerArrival::plan(context_, begin));
    context_.reporter.about(arrival.id());
    return container::with_lock(context_, arrival.id(), "migrating", [&]() -> Status {
      bool settled = false;
      Status done = converse(arrival, begin.text("digest"), settled);
      if (done || settled || done.error().code == ErrorCode::node_down) return done;
      // Not committed: whatever went wrong, nothing of it stays here.
      if (Status undone = arrival.abandon(); !undone) {
        done.error().detail += "; also failed: taking back: " + undone.error().message();
      }
      return done;
    });
  }

  /// From "begin" to the end of the container's journey. `settled` turns true when nothing is left
  /// to be taken back by the caller.
  Status converse(ContainerArrival& arrival, const std::string& digest, bool& settled) {
    settled = true;  // prepare() refuses before its first effect, or after its journal stands
    TH_TRY(begin(arrival, digest, settled));
    settled = false;
    bool last_pass = false;
    while (true) {
      TransferResult received;
      TH_ASSIGN(const std::optional<Message> message, next());
      if (!message) {
        return fail(ErrorCode::connection_lost, "migrate.serve", "CT " + arrival.id().text(),
                    "the source hung up before the migration was complete");
      }
      if (message->type == "template") {
        stream_broken_ = true;
        TH_TRY(arrival.receive_template(channel_, received));
        stream_broken_ = false;
        TH_TRY(report(received));
      } else if (message->type == "template-good") {
        TH_TRY(arrival.adopt_template());
        TH_TRY(send_message(channel_, ok()));
      } else if (message->type == "area") {
        stream_broken_ = true;
        TH_TRY(arrival.receive_area(channel_, received));
        stream_broken_ = false;
        TH_TRY(report(received));
        last_pass = message->text("pass") == "last";
      } else if (message->type == "area-good") {
        if (last_pass) TH_TRY(arrival.accept_area());
        TH_TRY(send_message(channel_, ok()));
      } else if (message->type == "images") {
        stream_broken_ = true;
        const Status taken = arrival.receive_images(*message, channel_, received);
        if (!taken && ends_the_stream(taken.error())) return taken;
        stream_broken_ = false;
        // The dump may have failed over there while it was sent: it can be tried again.
        TH_TRY(taken ? report(received) : send_message(channel_, error_message(taken.error())));
      } else if (message->type == "state") {
        TH_TRY(arrival.receive_state(*message));
        TH_TRY(send_message(channel_, ok()));
      } else if (message->type == "abandon") {
        return fail(ErrorCode::interrupted, "migrate.serve", "CT " + arrival.id().text(),
                    "the source has given up");
      } else if (message->type == "commit") {
        TH_ASSIGN(const FinalState state, parse_final_state(message->text("state")));
        if (!arrival.area_complete()) return unexpected(*message);
        settled = true;
        outcome_open_ = true;
        bool ours = true;
        if (Status taken = arrival.take_over(state, ours); !taken) {
          outcome_open_ = ours;
          return taken;
        }
        context_.reporter.say("Container has arrived");
        Message answer = ok();
        // What was cleared up since is no downtime.
        if (arrival.went_on())
          answer.fields["since_us"] = std::to_string(
              (context_.kernel().clock().now() - *arrival.went_on()) / microseconds(1));
        TH_TRY(send_message(channel_, answer));
        outcome_open_ = false;
        return {};
      } else {
        return unexpected(*message);
      }
    }
  }

  Status begin(ContainerArrival& arrival, const std::string& digest, bool& settled) {
    Status prepared = arrival.prepare();
    if (!prepared) {
      settled = prepared.error().exit_code == to_int(MigrateExit::exists);
      return prepared;
    }
    settled = false;
    TH_TRY(arrival.reuse_kept(digest));
    Message answer = ok();
    answer.fields["area"] = arrival.area_complete() ? "yes" : arrival.area_older() ? "older" : "no";
    return send_message(channel_, answer);
  }

  Status report(const TransferResult& received) {
    Message answer = ok();
    answer.fields["digest"] = received.digest;
    return send_message(channel_, answer);
  }

  /// A source whose connection broke asks what became of its container. The lock's recovery has
  /// rolled the arrival back or forward before the receipt is looked at.
  Status resolve(const Message& message) {
    TH_ASSIGN(const CtId id, parse_ctid(message.text("ctid")));
    const std::string token = message.text("token");
    if (!valid_token(token)) return unexpected(message);
    std::optional<FinalState> wished;
    if (!message.text("state").empty()) {
      TH_ASSIGN(wished, parse_final_state(message.text("state")));
    }
    Message answer = ok();
    TH_TRY(container::with_lock(context_, id, "migrating", [&] {
      return settle(id, token, wished, message.says_yes("recovering"), answer);
    }));
    return send_message(channel_, answer);
  }

  Status settle(CtId id, const std::string& token, std::optional<FinalState> wished,
                bool recovering, Message& answer) {
    TH_ASSIGN(const bool adopted, has_receipt(context_, token));
    answer.fields["adopted"] = adopted ? "yes" : "no";
    if (!adopted || !wished) return {};
    if (recovering) {
      // Whoever has touched it since knows better.
      TH_ASSIGN(const container::State now,
                container::observe(context_.kernel(), context_.layout(), context_.node, id));
      if (!now.suspended) return {};
    }
    Status up = bring_up(context_, id, *wished);
    if (up || up.error().code == ErrorCode::node_down) return up;
    answer.fields["problem"] = up.error().message();
    if (*wished != FinalState::running) return {};
    // It came with its processes, which the source still holds.
    TH_ASSIGN(const bool gone_on, has_gone_on(context_, id, /*has_state=*/true));
    if (gone_on) return {};
    TH_ASSIGN(const Arrived all, arrived(context_, id, token));
    TH_TRY(give_back(context_, all));
    answer.fields["adopted"] = "no";
    return {};
  }

  Status forget(const Message& message) {
    const std::string token = message.text("token");
    if (!valid_token(token)) return unexpected(message);
    TH_TRY(remove_receipt(context_, token));
    return send_message(channel_, ok());
  }

  container::Context& context_;
  Channel& channel_;
  bool outcome_open_ = false;   ///< a commit was asked for and not answered
  bool stream_broken_ = false;  ///< a tree came in half: what follows are no messages
};

}  // namespace

Status serve_migration(Kernel& kernel, const Layout& layout, Channel& channel,
                       const std::function<Status(const CgroupPath&)>& enter_group) {
  SilentConsole console;
  Session session{kernel, layout, console};
  const auto node = load_node_config(kernel, layout);
  if (!node) {
    // The peer hears it instead of a silent end; it may be gone already.
    static_cast<void>(send_message(channel, error_message(node.error())));
    return node.error();
  }
  if (Status entered = enter_tools_group(kernel, *node, enter_group); !entered) {
    // As above.
    static_cast<void>(send_message(channel, error_message(entered.error())));
    return entered;
  }
  Reporter reporter(session, *node, "vzmigrate", Verbosity::quiet);
  container::Context context{session, *node, reporter, {recovery_handler()}};
  return Service(context, channel).run();
}

}  // namespace twinhull
