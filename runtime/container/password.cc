#include <optional>
#include <utility>

#include "runtime/container/distribution.h"
#include "runtime/container/operations.h"
#include "runtime/container/root_mount.h"
#include "runtime/kernel/mounts.h"
#include "runtime/node/exit_codes.h"
#include "runtime/node/journal.h"
#include "runtime/node/undo.h"

namespace twinhull::container {
namespace {

Error password_error(CtId id, std::string_view what, ErrorCode code) {
  return fail(code, "container.password", "CT " + id.text(), what)
      .with_exit_code(to_int(ExitCode::set_password));
}

Status apply(Context& context, const CtSettings& settings, const ActionTarget& target,
             const std::string& user_password, bool crypted) {
  const DistributionAction action{"SET_USERPASS",
                                  {{"USERPW", user_password}, {"CRYPTED", crypted ? "yes" : ""}}};
  Status done = run_distribution_actions(context, settings, target, {action}, /*required=*/true);
  if (done || done.error().code == ErrorCode::node_down) return done;
  // What the tools inside said may repeat the password: only that it failed is told.
  Error error =
      password_error(settings.id, "the password could not be changed inside", done.error().code);
  if (done.error().code != ErrorCode::failed) return std::move(error).caused_by(done.error());
  return error;
}

/// A container that is down is mounted meanwhile.
Status apply_down(Context& context, const CtSettings& settings, const std::string& user_password,
                  bool crypted) {
  Kernel& kernel = context.kernel();
  TH_ASSIGN(const std::optional<MountInfo> mounted, kernel.mounts().find(settings.root));
  const ActionTarget target{std::nullopt, settings.root};
  if (mounted) return apply(context, settings, target, user_password, crypted);
  TH_TRY(check_sources(context, settings));
  Intent intent;
  intent.operation = "mount";
  intent.durable = false;
  const std::string journal = context.node.journal_file(settings.id);
  TH_TRY(write_intent(kernel, journal, intent));
  UndoList undo(kernel);
  const auto run = [&]() -> Status {
    TH_TRY(mount_root(context, settings, /*scripts=*/true));
    undo.add(UndoList::When::always, "unmount " + settings.root,
             [&] { return unmount_root(context, settings, /*scripts=*/true); });
    return apply(context, settings, target, user_password, crypted);
  };
  Status result = undo.close(run());
  if (!undo.clean()) return result;
  const Status cleared = clear_intent(kernel, journal, /*durable=*/false);
  return result ? cleared : result;
}

}  // namespace

Status check_password(CtId id, const std::string& text) {
  const std::size_t colon = text.find(':');
  const auto bad = [&](std::string_view what) {
    return password_error(id, what, ErrorCode::invalid_argument)
        .with_hint("write --userpasswd USER:PASSWORD");
  };
  if (colon == std::string::npos || colon == 0) return bad("the user name is missing");
  if (colon + 1 == text.size()) return bad("the password is empty");
  for (std::size_t i = 0; i < colon; ++i) {
    const char c = text[i];
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
                       (i > 0 && ((c >= '0' && c <= '9') || c == '-' || c == '.'));
    if (!plain) return bad("the user name may hold letters, digits, '_', '-' and '.' only");
  }
  for (const char c : text)
    if (c == '\n' || c == '\r' || c == '\0') return bad("the password holds a line end");
  return {};
}

Status set_password(Context& context, const CtSettings& settings, const std::string& user_password,
                    bool crypted) {
  TH_TRY(check_password(settings.id, user_password));
  TH_ASSIGN(const std::optional<ProcessRef> init,
            context.kernel().processes().find(label_of(settings.id)));
  if (init) return apply(context, settings, {init, {}}, user_password, crypted);
  return apply_down(context, settings, user_password, crypted);
}

}  // namespace twinhull::container
