#include <fmt/format.h>

#include <optional>

#include "runtime/container/locked.h"
#include "runtime/container/relocation.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/quotas.h"
#include "runtime/local/area.h"
#include "runtime/local/plan.h"

namespace twinhull::local {
namespace {

using migrate::MigrateExit;

class Copier {
 public:
  Copier(container::Context& context, const Request& request, const Plan& plan)
      : context_(context),
        request_(request),
        plan_(plan),
        area_(context, plan.from.private_area, plan.staging()) {}

  Status run() {
    const std::string journal = context_.node.journal_file(request_.new_id);
    context_.reporter.say(
        fmt::format("Copying CT {} to CT {}", request_.id.text(), request_.new_id.text()));
    const Intent intent = this->intent();
    TH_TRY(write_intent(kernel(), journal, intent));
    Status made = make();
    if (!made) {
      if (made.error().code == ErrorCode::node_down) return made;
      if (Status undone = replay_intent(kernel(), intent); !undone) {
        made.error().detail += "; also failed: undoing: " + undone.error().message();
        return made;
      }
    }
    const Status cleared = clear_intent(kernel(), journal, /*durable=*/true);
    if (!made || !cleared) return made ? cleared : made;
    context_.reporter.say(
        fmt::format("CT {} is a copy of CT {}", request_.new_id.text(), request_.id.text()));
    if (!plan_.to.addresses.empty())
      context_.reporter.say(
          fmt::format("It has the addresses of CT {0}: give it others before both run, with: "
                      "vzctl set {1} --ipdel all --ipadd ADDRESS --save",
                      request_.id.text(), request_.new_id.text()));
    return {};
  }

 private:
  Kernel& kernel() { return context_.kernel(); }

  /// With its configuration the copy is there; before that, nothing of it is.
  [[nodiscard]] Intent intent() const {
    Intent intent;
    intent.operation = "copy";
    intent.committed_when = context_.layout().container_config(request_.new_id);
    intent.back = {{StepKind::remove_quota_tree, plan_.staging(), {}},
                   {StepKind::remove_quota_tree, plan_.to.private_area, {}}};
    for (const auto& script : plan_.scripts)
      intent.back.push_back({StepKind::remove_file, script.second, {}});
    return intent;
  }

  Status make() {
    Files& files = kernel().files();
    if (Status filled = fill(); !filled)
      return migrate::stage_error(MigrateExit::copy_failed, "CT " + request_.id.text(),
                                  "its files could not be copied", std::move(filled).error());
    TH_TRY(kernel().quotas().rename_tree(plan_.staging(), plan_.to.private_area));
    for (const auto& [from, to] : plan_.scripts) {
      TH_ASSIGN(const auto info, files.stat(from));
      if (!info || info->kind != FileKind::regular) continue;
      TH_ASSIGN(const std::string text, files.read(from));
      TH_TRY(files.write(to, text, info->mode));
      TH_TRY(files.set_mode(to, info->mode));
      TH_TRY(files.sync(to));
    }
    return save_container_config(kernel(), context_.layout(), request_.new_id, plan_.file);
  }

  Status fill() {
    if (!plan_.state.running() || plan_.state.paused) return area_.complete();
    if (request_.online) TH_TRY(area_.first_pass());
    return while_still([&] { return area_.complete(); });
  }

  /// Runs `body` while the source's processes stand still.
  Status while_still(const std::function<Status()>& body) {
    Intent hold;
    hold.operation = container::kHeldStill;
    hold.durable = false;
    const std::string journal = context_.node.journal_file(request_.id);
    TH_TRY(write_intent(kernel(), journal, hold));
    Status result = kernel().cgroups().freeze(container::group_of(request_.id));
    if (result) result = body();
    if (!result && result.error().code == ErrorCode::node_down) return result;
    if (Status going = container::let_go_of_copied(context_, request_.id, hold); !going) {
      // The journal stays: the next command on the source lets it go.
      if (result) return going;
      result.error().detail += "; also failed: " + going.error().message();
      return result;
    }
    const Status cleared = clear_intent(kernel(), journal, /*durable=*/false);
    return result ? cleared : result;
  }

  container::Context& context_;
  const Request& request_;
  const Plan& plan_;
  AreaCopy area_;
};

}  // namespace

Status copy_container(container::Context& context, const Request& request) {
  context.reporter.about(request.id);
  if (request.id == request.new_id)
    return refuse(MigrateExit::usage, ErrorCode::invalid_argument, request.id,
                  "a copy needs a number of its own");
  return container::with_lock(context, request.id, "copying", [&] {
    return container::with_lock(context, request.new_id, "copying", [&]() -> Status {
      TH_ASSIGN(const Plan plan, make_plan(context, request, Purpose::copy));
      return Copier(context, request, plan).run();
    });
  });
}

}  // namespace twinhull::local
