#include <fmt/format.h>

#include <optional>

#include "runtime/config/atomic_write.h"
#include "runtime/container/locked.h"
#include "runtime/container/operations.h"
#include "runtime/container/relocation.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/quotas.h"
#include "runtime/local/area.h"
#include "runtime/local/plan.h"

namespace twinhull::local {
namespace {

using migrate::MigrateExit;
using migrate::stage_error;

class Mover {
 public:
  Mover(container::Context& context, const Request& request, const Plan& plan)
      : context_(context),
        request_(request),
        plan_(plan),
        name_("CT " + request.id.text()),
        area_(context, plan.from.private_area, plan.staging()) {}

  Status run() {
    context_.reporter.say(fmt::format("Moving CT {} to {}", request_.id.text(), target()));
    if (plan_.state.mounted && !plan_.state.running())
      TH_TRY(down(container::unmount(context_, request_.id, {})));
    Status here = begin();
    if (here) here = bring_over();
    if (!here) return here.error().code == ErrorCode::node_down ? here : take_back(std::move(here));
    if (Status finished = finish(); !finished)
      return stage_error(MigrateExit::system, name_,
                         "it has moved, but what is left of it could not be cleared away; the next "
                         "command on it tries again",
                         std::move(finished).error());
    context_.reporter.about(request_.new_id);
    context_.reporter.say(fmt::format("CT {} is now {}", request_.id.text(), target()));
    return bring_up();
  }

 private:
  Kernel& kernel() { return context_.kernel(); }
  [[nodiscard]] std::string journal() const { return context_.node.journal_file(request_.id); }
  [[nodiscard]] std::string config(CtId id) const { return context_.layout().container_config(id); }
  [[nodiscard]] std::string staged_config() const { return config(request_.new_id) + ".moving"; }
  [[nodiscard]] std::string target() const {
    return plan_.renumbered()   ? "CT " + request_.new_id.text()
           : plan_.area_moves() ? plan_.to.private_area
                                : plan_.to.root;
  }

  Status down(Status status) {
    if (status || status.error().code == ErrorCode::node_down) return status;
    return stage_error(MigrateExit::cannot_stop, name_, "cannot be stopped",
                       std::move(status).error());
  }

  [[nodiscard]] Intent intent() const {
    Intent intent;
    intent.operation = container::kRelocate;
    intent.facts["to"] = request_.new_id.text();
    if (plan_.area_moves()) {
      intent.back.push_back({StepKind::remove_quota_tree, plan_.staging(), {}});
      intent.back.push_back({StepKind::remove_quota_tree, plan_.probe(), {}});
      // Nothing is there unless it was renamed: a copy gets this name later.
      intent.back.push_back(
          {StepKind::rename_quota_tree, plan_.to.private_area, plan_.from.private_area});
    }
    intent.back.push_back({StepKind::remove_file, staged_config(), {}});
    return intent;
  }

  /// What completes the move, in an order that never shows two containers.
  Result<std::vector<Step>> forward_steps() {
    const Layout& layout = context_.layout();
    std::vector<Step> steps;
    if (copied_)
      steps.push_back({StepKind::rename_quota_tree, plan_.staging(), plan_.to.private_area});
    if (plan_.renumbered()) {
      if (!plan_.from.name.empty())
        steps.push_back({StepKind::make_symlink, layout.names_directory() + "/" + plan_.from.name,
                         config(request_.new_id)});
      steps.push_back({StepKind::remove_file, config(request_.id), {}});
      steps.push_back({StepKind::rename, context_.node.up_mark(request_.id),
                       context_.node.up_mark(request_.new_id)});
      for (const auto& [from, to] : plan_.scripts) steps.push_back({StepKind::rename, from, to});
    }
    steps.push_back({StepKind::rename, staged_config(), config(request_.new_id)});
    if (copied_) steps.push_back({StepKind::remove_quota_tree, plan_.from.private_area, {}});
    if (plan_.root_moves()) {
      // A mount point that somebody has put files into is left alone.
      const auto content = kernel().files().list(plan_.from.root);
      if (!content && content.error().code != ErrorCode::not_found) return content.error();
      if (content && content->empty())
        steps.push_back({StepKind::remove_file, plan_.from.root, {}});
    }
    return steps;
  }

  Status begin() {
    if (plan_.renumbered()) {
      Intent here;
      here.operation = container::kRelocateHere;
      here.facts["from"] = request_.id.text();
      TH_TRY(write_intent(kernel(), context_.node.journal_file(request_.new_id), here));
    }
    return write_intent(kernel(), journal(), intent());
  }

  Status bring_over() {
    Files& files = kernel().files();
    if (plan_.area_moves())
      TH_TRY(make_directories(files, parent_directory(plan_.to.private_area)));
    const bool running = plan_.state.running();
    if (running && request_.online && plan_.area_moves()) {
      TH_ASSIGN(const bool same, on_one_file_system());
      if (!same) TH_TRY(copying([&] { return area_.first_pass(); }));
    }
    if (running) TH_TRY(down(container::stop(context_, request_.id, {.journal_stands = true})));
    if (plan_.area_moves()) TH_TRY(move_area());
    TH_TRY(files.write(staged_config(), plan_.file.text()));
    TH_TRY(files.sync(staged_config()));
    TH_TRY(files.sync(parent_directory(staged_config())));
    Intent done = intent();
    done.phase = IntentPhase::roll_forward;
    TH_ASSIGN(done.forward, forward_steps());
    // The point of no return.
    TH_TRY(write_intent(kernel(), journal(), done));
    committed_ = std::move(done);
    return {};
  }

  Status copying(const std::function<Status()>& body) {
    Status copied = body();
    if (copied || copied.error().code == ErrorCode::node_down) return copied;
    return stage_error(MigrateExit::copy_failed, name_, "its files could not be copied",
                       std::move(copied).error());
  }

  /// Whether an empty tree can be renamed from beside the area to beside its new place.
  Result<bool> on_one_file_system() {
    Quotas& quotas = kernel().quotas();
    const std::string probe = plan_.probe();
    TH_TRY(quotas.create_tree(plan_.staging()));
    const Status renamed = quotas.rename_tree(plan_.staging(), probe);
    TH_TRY(quotas.remove_tree(renamed ? probe : plan_.staging()));
    if (!renamed && renamed.error().code != ErrorCode::cross_device) return renamed.error();
    return renamed.has_value();
  }

  Status move_area() {
    Quotas& quotas = kernel().quotas();
    const Status renamed = quotas.rename_tree(plan_.from.private_area, plan_.to.private_area);
    if (renamed || renamed.error().code != ErrorCode::cross_device) return renamed;
    TH_ASSIGN(const TreeSize size, kernel().files().measure_tree(plan_.from.private_area));
    TH_ASSIGN(const DiskInfo disk, kernel().host().disk(plan_.to.private_area));
    if (!request_.force && !request_.online && disk.available < size.bytes)
      return refuse(MigrateExit::no_disk_space, ErrorCode::no_space, request_.id,
                    fmt::format("its files need {} bytes, {} are free for {}", size.bytes.value,
                                disk.available.value, plan_.to.private_area));
    copied_ = true;
    return copying([&] { return area_.complete(); });
  }

  Status finish() {
    TH_TRY(replay_intent(kernel(), committed_));
    TH_TRY(clear_intent(kernel(), journal(), /*durable=*/true));
    if (!plan_.renumbered()) return {};
    return container::forget_relocation_target(context_, request_.id, request_.new_id);
  }

  /// Before the point of no return: as it was before.
  Status take_back(Status failed) {
    const auto undo = [&]() -> Status {
      TH_TRY(replay_intent(kernel(), intent()));
      TH_TRY(clear_intent(kernel(), journal(), /*durable=*/true));
      if (plan_.renumbered())
        TH_TRY(container::forget_relocation_target(context_, request_.id, request_.new_id));
      return up(request_.id, plan_.from);
    };
    if (const Status undone = undo(); !undone)
      failed.error().detail += "; also failed: undoing: " + undone.error().message();
    return failed;
  }

  /// The state that the container was in, where it is now.
  Status up(CtId id, const CtSettings& settings) {
    if (!plan_.state.mounted) return {};
    TH_ASSIGN(const container::State now,
              container::observe(kernel(), context_.layout(), context_.node, settings));
    if (plan_.state.running() && !now.running())
      return container::start(context_, id, {.force = true});
    if (!plan_.state.running() && !now.mounted) return container::mount(context_, id, {});
    return {};
  }

  Status bring_up() {
    Status started = up(request_.new_id, plan_.to);
    if (started || started.error().code == ErrorCode::node_down) return started;
    return stage_error(MigrateExit::cannot_start, "CT " + request_.new_id.text(),
                       "it has moved, but it cannot be brought up again",
                       std::move(started).error());
  }

  container::Context& context_;
  const Request& request_;
  const Plan& plan_;
  std::string name_;
  AreaCopy area_;
  Intent committed_;
  bool copied_ = false;  ///< the area lies in staging, the old one is still there
};

}  // namespace

Status move_container(container::Context& context, const Request& request) {
  context.reporter.about(request.id);
  const auto move = [&]() -> Status {
    TH_ASSIGN(const Plan plan, make_plan(context, request, Purpose::move));
    return Mover(context, request, plan).run();
  };
  return container::with_lock(context, request.id, "moving", [&]() -> Status {
    if (request.id == request.new_id) return move();
    return container::with_lock(context, request.new_id, "moving", move);
  });
}

}  // namespace twinhull::local
