#include "runtime/container/oom.h"

#include <algorithm>
#include <utility>

#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/host.h"
#include "runtime/resource/resources.h"

namespace twinhull::container {
namespace {

/// A group's adjustment with the guarantee; only a group makes immune.
std::int32_t together(std::int32_t group, std::int32_t guarantee) {
  if (group == kLeastOomAdjust) return group;
  return std::clamp(group + guarantee, kLeastOomAdjust + 1, kMostOomAdjust);
}

void warn_of(Context& context, const std::string& reason) {
  context.reporter.warn("oom_score_adj below 0 is not set (oomguarpages, oom-groups.conf): " +
                        reason);
}

/// One pass over the container's processes.
class Pass {
 public:
  Pass(Context& context, const OomPolicy& policy, ProcessRef init, bool tell)
      : context_(context), policy_(policy), init_(init), told_(!tell) {}

  Status run(CtId id, bool guarantee) {
    Processes& processes = context_.kernel().processes();
    Result<ProcessFacts> first = processes.facts(init_);
    if (!first) return gone(first.error());
    // Guarantees are never above 0: what is there is the caller's, and stays.
    guarantee = guarantee && (policy_.guarantee != 0 || first->oom_adjust < 0);
    if (policy_.groups.empty() && !guarantee) return {};
    TH_ASSIGN(const std::vector<ProcessRef> all,
              context_.kernel().cgroups().processes(group_of(id)));
    for (const ProcessRef& process : all) {
      if (process == init_) continue;
      const Result<ProcessFacts> facts = processes.facts(process);
      if (!facts) {
        TH_TRY(gone(facts.error()));
        continue;
      }
      TH_TRY(set(process, *facts, guarantee && facts->oom_adjust == first->oom_adjust));
    }
    // Last: what init has tells a pass that repeats this one whom the guarantee concerns.
    return set(init_, *first, guarantee);
  }

 private:
  static Status gone(const Error& error) {
    return error.code == ErrorCode::not_running ? Status() : Status(error);
  }

  Status set(ProcessRef process, const ProcessFacts& facts, bool guarantee) {
    const OomGroup* group = find_oom_group(policy_.groups, facts);
    if (group == nullptr && !guarantee) return {};
    const std::int32_t wish =
        group != nullptr ? together(group->adjust, policy_.guarantee) : policy_.guarantee;
    const Result<Effect> done = context_.kernel().processes().set_oom_adjust(process, wish);
    if (done) return {};
    if (done.error().code != ErrorCode::not_permitted) return done.error();
    if (!std::exchange(told_, true))
      warn_of(context_, policy_.may_lower ? done.error().message() : policy_.reason);
    return {};
  }

  Context& context_;
  const OomPolicy& policy_;
  const ProcessRef init_;
  bool told_;
};

}  // namespace

Result<OomPolicy> oom_policy(Context& context, const CtSettings& settings) {
  Kernel& kernel = context.kernel();
  OomPolicy policy;
  Result<std::vector<OomGroup>> groups = load_oom_groups(kernel, context.layout());
  if (groups) {
    policy.groups = std::move(*groups);
  } else if (groups.error().code == ErrorCode::corrupt) {
    context.reporter.warn("OOM groups do not act: " + groups.error().message());
  } else {
    return std::move(groups).error();
  }
  const Bytes guarantee = resource::memory_guarantee(settings);
  if (guarantee.value != 0) {
    TH_ASSIGN(const HostInfo host, kernel.host().info());
    policy.guarantee = resource::guarantee_adjust(guarantee, host);
  }
  if (policy.guarantee != 0 || !policy.groups.empty()) {
    TH_ASSIGN(const Support support, kernel.host().supports(Feature::raise_limits));
    policy.may_lower = support.available;
    policy.reason = support.reason;
  }
  return policy;
}

std::optional<std::int32_t> oom_adjust_of(const OomPolicy& policy, const ProcessFacts& process) {
  if (const OomGroup* group = find_oom_group(policy.groups, process))
    return together(group->adjust, policy.guarantee);
  return policy.guarantee == 0 ? std::nullopt : std::optional(policy.guarantee);
}

std::optional<std::int32_t> oom_adjust_of(const OomPolicy& policy, const std::string& program) {
  ProcessFacts facts;
  facts.name = program.substr(program.rfind('/') + 1);  // npos + 1 = 0
  const std::optional<std::int32_t> wish = oom_adjust_of(policy, facts);
  return wish && *wish < 0 && !policy.may_lower ? std::nullopt : wish;
}

void tell_guarantee(Context& context, const OomPolicy& policy) {
  if (policy.guarantee < 0 && !policy.may_lower) warn_of(context, policy.reason);
}

Status apply_oom(Context& context, CtId id, ProcessRef init, const OomPolicy& policy,
                 OomPass pass) {
  if (policy.groups.empty() && !pass.guarantee) return {};
  return Pass(context, policy, init, pass.tell).run(id, pass.guarantee);
}

}  // namespace twinhull::container
