#include "runtime/node/step.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "runtime/config/atomic_write.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/clock.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/links.h"
#include "runtime/kernel/mounts.h"
#include "runtime/kernel/processes.h"
#include "runtime/kernel/quotas.h"

namespace twinhull {
namespace {

constexpr std::array<std::string_view, 10> kNames = {
    "remove_file",  "remove_tree", "remove_quota_tree", "rename",    "rename_quota_tree",
    "make_symlink", "unmount",     "remove_link",       "kill_init", "remove_cgroup"};
static_assert(kNames.size() == static_cast<std::size_t>(StepKind::remove_cgroup) + 1);

constexpr Duration kKillTimeout = std::chrono::seconds(10);
constexpr Duration kShortestPause = milliseconds(1);
constexpr Duration kLongestPause = milliseconds(50);
constexpr Duration kUnmountPatience = std::chrono::seconds(2);

/// Makes the disappearance or arrival of a name durable.
Status sync_parent(Files& files, const std::string& path) {
  const Status synced = files.sync(parent_directory(path));
  if (!synced && synced.error().code == ErrorCode::not_found) return {};
  return synced;
}

Status rename_file(Files& files, const Step& step) {
  const Status moved = files.rename(step.object, step.target);
  if (!moved) return moved.error().code == ErrorCode::not_found ? Status() : moved;
  TH_TRY(sync_parent(files, step.object));
  if (parent_directory(step.object) == parent_directory(step.target)) return {};
  return sync_parent(files, step.target);
}

Status make_link(Files& files, const Step& step) {
  TH_ASSIGN(const std::optional<FileInfo> there, files.stat(step.object));
  if (there) {
    if (there->kind != FileKind::symlink)
      return fail(ErrorCode::exists, "step.make_symlink", step.object, "is not a symbolic link");
    TH_ASSIGN(const std::string now, files.read_symlink(step.object));
    if (now == step.target) return sync_parent(files, step.object);
    TH_TRY(files.remove(step.object));
  }
  TH_TRY(files.make_symlink(step.target, step.object));
  return sync_parent(files, step.object);
}

Status kill_init(Kernel& kernel, const std::string& label) {
  TH_ASSIGN(const std::optional<ProcessRef> init, kernel.processes().find(label));
  if (!init) return {};
  TH_TRY(kernel.processes().signal(*init, Signal::kill));
  return kernel.processes().wait_gone(*init, kKillTimeout);
}

Result<Effect> remove_children(Kernel& kernel, const CgroupPath& group) {
  Result<std::vector<std::string>> children = kernel.cgroups().children(group);
  if (!children) {
    if (children.error().code == ErrorCode::not_found) return Effect::none;
    return children.error();
  }
  for (const std::string& child : *children) {
    const CgroupPath path{group.text + "/" + child};
    TH_TRY(remove_children(kernel, path));
    TH_TRY(kernel.cgroups().remove(path));
  }
  return Effect::changed;
}

}  // namespace

std::string_view to_string(StepKind kind) {
  return kNames[static_cast<std::size_t>(kind)];
}

std::optional<StepKind> parse_step_kind(std::string_view name) {
  const auto* found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<StepKind>(found - kNames.begin());
}

Result<Effect> remove_group(Kernel& kernel, const CgroupPath& group) {
  Cgroups& cgroups = kernel.cgroups();
  // The common case first: empty and without children.
  Result<Effect> removed = cgroups.remove(group);
  if (removed) return removed;
  Duration waited{0};
  Duration pause = kShortestPause;
  while (true) {
    if (removed.error().code != ErrorCode::busy && removed.error().code != ErrorCode::not_empty)
      return removed;
    if (waited >= kKillTimeout)
      return fail(ErrorCode::timed_out, "cgroups.remove", group.text,
                  "processes stay in the group although they were killed")
          .caused_by(removed.error());
    TH_TRY(cgroups.kill_all(group));
    if (waited > Duration{0}) {
      TH_TRY(kernel.clock().sleep(pause));
      pause = std::min(pause * 2, kLongestPause);
    }
    waited += pause;
    const Result<Effect> children = remove_children(kernel, group);
    removed = children ? cgroups.remove(group) : children;
    if (removed) return Effect::changed;
  }
}

Result<Effect> unmount_all(Kernel& kernel, const std::string& target) {
  Mounts& mounts = kernel.mounts();
  Effect effect = Effect::none;
  Duration waited{0};
  Duration pause = kShortestPause;
  while (true) {
    Result<Effect> done = mounts.unmount(target);
    if (!done && done.error().code == ErrorCode::busy && waited < kUnmountPatience) {
      TH_TRY(kernel.clock().sleep(pause));
      waited += pause;
      pause = std::min(pause * 2, kLongestPause);
      continue;
    }
    if (!done) {
      if (done.error().code == ErrorCode::not_found) return effect;
      return done;
    }
    if (*done == Effect::none) return effect;
    effect = Effect::changed;
  }
}

Status perform(Kernel& kernel, const Step& step) {
  Files& files = kernel.files();
  switch (step.kind) {
    case StepKind::remove_file:
      TH_TRY(files.remove(step.object));
      return sync_parent(files, step.object);
    case StepKind::remove_tree:
      TH_TRY(files.remove_tree(step.object));
      return sync_parent(files, step.object);
    case StepKind::remove_quota_tree: TH_TRY(kernel.quotas().remove_tree(step.object)); return {};
    case StepKind::rename: return rename_file(files, step);
    case StepKind::rename_quota_tree: {
      TH_ASSIGN(const std::optional<FileInfo> there, files.stat(step.object));
      if (!there) return {};
      return kernel.quotas().rename_tree(step.object, step.target);
    }
    case StepKind::make_symlink: return make_link(files, step);
    case StepKind::unmount: TH_TRY(unmount_all(kernel, step.object)); return {};
    case StepKind::remove_link: TH_TRY(kernel.links().remove(step.object)); return {};
    case StepKind::kill_init: return kill_init(kernel, step.object);
    case StepKind::remove_cgroup: TH_TRY(remove_group(kernel, CgroupPath{step.object})); return {};
  }
  return fail(ErrorCode::invalid_argument, "step.perform", step.object, "unknown kind of step");
}

}  // namespace twinhull
