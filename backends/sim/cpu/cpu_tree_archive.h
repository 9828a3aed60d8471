// Saving and loading the CPU tree (cereal); include where a world is saved.
#pragma once

#include <cereal/types/map.hpp>
#include <cereal/types/set.hpp>
#include <cereal/types/utility.hpp>

#include "backends/sim/cpu/cpu_tree.h"

namespace twinhull::sim {
namespace detail {

template <typename Id, typename Value>
std::set<Id> keys_of(const std::map<Id, Value*>& map) {
  std::set<Id> keys;
  for (const auto& [id, value] : map) keys.insert(keys.end(), id);
  return keys;
}

/// Pointers follow in CpuTree::relink().
template <typename Id, typename Value>
void set_keys(std::map<Id, Value*>& map, const std::set<Id>& keys) {
  map.clear();
  for (Id id : keys) map.emplace_hint(map.end(), id, nullptr);
}

}  // namespace detail

template <typename Archive>
void CpuTree::Group::save(Archive& archive) const {
  const bool has_quota = quota.has_value(), has_allowed = allowed.has_value();
  const std::int64_t quota_ns = has_quota ? quota->quota.count() : 0;
  const std::int64_t period_ns = has_quota ? quota->period.count() : 0;
  archive(parent, weight, has_quota, quota_ns, period_ns, has_allowed);
  if (has_allowed) archive(*allowed);
  archive(frozen, children, detail::keys_of(active), detail::keys_of(tasks), since, rate, used, anchor,
          counting, throttled, throttle_rate, periods, throttled_periods, throttled_time, bound, wanted);
}

template <typename Archive>
void CpuTree::Group::load(Archive& archive) {
  bool has_quota = false, has_allowed = false;
  std::int64_t quota_ns = 0, period_ns = 0;
  archive(parent, weight, has_quota, quota_ns, period_ns, has_allowed);
  if (has_quota) quota = CpuQuota{Duration(quota_ns), Duration(period_ns)};
  if (has_allowed) {
    allowed.emplace();
    archive(*allowed);
  }
  std::set<CpuGroupId> active_ids;
  std::set<CpuTaskId> task_ids;
  archive(frozen, children, active_ids, task_ids, since, rate, used, anchor, counting, throttled,
          throttle_rate, periods, throttled_periods, throttled_time, bound, wanted);
  detail::set_keys(active, active_ids);
  detail::set_keys(tasks, task_ids);
}

template <typename Archive>
void CpuTree::serialize(Archive& archive) {
  archive(cpus_, now_, dirty_, groups_, tasks_, due_, next_group_, next_task_);
}

}  // namespace twinhull::sim
