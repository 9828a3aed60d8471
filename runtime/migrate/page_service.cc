#include "runtime/migrate/page_service.h"

#include <fmt/format.h>

#include "runtime/config/container_index.h"
#include "runtime/container/locked.h"
#include "runtime/container/operations.h"
#include "runtime/container/state.h"
#include "runtime/kernel/checkpoints.h"
#include "runtime/kernel/files.h"
#include "runtime/migrate/exit_codes.h"
#include "runtime/migrate/receipt.h"

namespace twinhull::migrate {
namespace {

/// The init of the container if it lacks memory of this migration.
Result<std::optional<ProcessRef>> lacking(container::Context& context, CtId id,
                                          const std::string& token) {
  Kernel& kernel = context.kernel();
  TH_ASSIGN(const AwaitedPages awaited, awaits_pages_of(context, id, token));
  if (awaited == AwaitedPages::no) return std::optional<ProcessRef>();
  TH_ASSIGN(const std::optional<ProcessRef> init,
            kernel.processes().find(container::label_of(id)));
  if (!init) return init;
  const Result<bool> lacks = kernel.checkpoints().lacks_pages(*init);
  if (lacks) return *lacks ? init : std::optional<ProcessRef>();
  if (lacks.error().code == ErrorCode::not_running) return std::optional<ProcessRef>();
  return lacks.error();
}

/// Whether a command that was killed has left it down on its way to a new start.
Result<bool> is_between(container::Context& context, CtId id, const std::string& token) {
  TH_ASSIGN(const AwaitedPages awaited, awaits_pages_of(context, id, token));
  if (awaited != AwaitedPages::lost) return false;
  TH_ASSIGN(const std::optional<ProcessRef> init,
            context.kernel().processes().find(container::label_of(id)));
  return !init;
}

/// All is here, or nobody needs it any more.
Status end_waiting(container::Context& context, CtId id) {
  TH_TRY(context.kernel().files().remove(pages_note(context.layout(), id)));
  return {};
}

Message answer_of(bool lacks) {
  return {.type = "ok", .fields = {{"lacks", lacks ? "yes" : "no"}}};
}

Status begin_anew(container::Context& context, CtId id, const std::string& token,
                  Message& answer) {
  return container::with_lock(context, id, "migrating", [&]() -> Status {
    TH_ASSIGN(const std::optional<ProcessRef> init, lacking(context, id, token));
    TH_ASSIGN(const bool between, is_between(context, id, token));
    if (init || between) {
      if (init) {
        const Status noted = note_lost_pages(context, id, token);
        // A full disk must not keep it waiting: the note serves only whoever finishes this work.
        if (!noted && noted.error().code == ErrorCode::node_down) return noted;
      }
      context.reporter.warn(fmt::format(
          "the memory of CT {} is lost with the node that it came from: it is started anew",
          id.text()));
      Status anew = container::restart(context, id, {.fast = true}, {.force = true});
      if (!anew && anew.error().code == ErrorCode::node_down) return anew;
      // As after any start that fails: it is down here, whole on its disk.
      if (!anew) answer.fields["problem"] = anew.error().message();
      answer.fields["restarted"] = "yes";
    }
    return end_waiting(context, id);
  });
}

}  // namespace

Status serve_pages(container::Context& context, Channel& channel, const Message& message,
                   bool& stream_broken) {
  TH_ASSIGN(const CtId id, parse_ctid(message.text("ctid")));
  const std::string token = message.text("token");
  if (!valid_token(token)) {
    return fail(ErrorCode::protocol, "migrate.pages", "peer", "no token")
        .with_exit_code(to_int(MigrateExit::protocol));
  }
  context.reporter.about(id);
  if (message.says_yes("lost")) {
    Message answer = answer_of(false);
    TH_TRY(begin_anew(context, id, token, answer));
    return send_message(channel, answer);
  }
  TH_ASSIGN(const std::optional<ProcessRef> init, lacking(context, id, token));
  if (!init) {
    TH_TRY(end_waiting(context, id));
    return send_message(channel, answer_of(false));
  }
  stream_broken = true;
  TH_TRY(send_message(channel, answer_of(true)));
  const Result<PagesMoved> taken = context.kernel().checkpoints().take_pages(*init, channel);
  Message answer = answer_of(false);
  if (taken) {
    answer.fields["pages"] = std::to_string(taken->pages.value);
    answer.fields["faults"] = std::to_string(taken->faults.value);
  } else if (taken.error().code != ErrorCode::not_running &&
             taken.error().code != ErrorCode::not_found) {
    return taken.error();
  }
  // Stopped meanwhile, or another connection has brought the rest: nothing is lacking either way.
  stream_broken = false;
  TH_TRY(end_waiting(context, id));
  return send_message(channel, answer);
}

}  // namespace twinhull::migrate
