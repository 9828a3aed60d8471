#include "backends/sim/io/io_model.h"

#include <algorithm>

#include <cereal/types/array.hpp>
#include <cereal/types/deque.hpp>
#include <cereal/types/map.hpp>
#include <cereal/types/optional.hpp>
#include <cereal/types/set.hpp>
#include <cereal/types/vector.hpp>

#include "backends/sim/files/file_store.h"
#include "backends/sim/process/process_model.h"

namespace twinhull::sim {
namespace {

IoCapacity capacity_of(const NodeSpec& spec) {
  return {std::max<std::uint64_t>(spec.disk_bandwidth.value, 1),
          std::max<std::uint64_t>(spec.disk_iops, 1)};
}

}  // namespace

IoModel::IoModel(Node& node) : node_(node), tree_(capacity_of(node.spec)) {}

void IoModel::reset() {
  node_.engine.cancel(timer_);
  tree_ = IoTree(capacity_of(node_.spec));
}

void IoModel::arm(Instant at) {
  at = std::max(at, node_.engine.now());
  if (timer_.pending() && timer_.at <= at) return;
  node_.engine.cancel(timer_);
  timer_ = node_.engine.schedule(at, [this] { on_timer(); });
}

void IoModel::touch() {
  if (!tree_.serving()) arm(node_.engine.now());
}

void IoModel::on_timer() {
  timer_ = {};
  const Instant now = node_.engine.now();
  if (!tree_.serving()) return go_on();
  for (const ProcessRef owner : tree_.complete(now)) {
    SimProcess* process = processes_of(node_).find(owner);
    if (process == nullptr) continue;
    ProcessEvent event;
    event.kind = ProcessEvent::Kind::disk;
    processes_of(node_).post(*process, event);
  }
  // Who was told asks for its next piece first (its event is due before this one): a reader that
  // always waits for one request must not lose its share to others.
  arm(now);
}

void IoModel::go_on() {
  const Instant now = node_.engine.now();
  tree_.age(now);
  if (const Instant free = node_.files->disk_free_at(); free > now) {
    if (tree_.next_allowed()) arm(free);
    return;
  }
  if (const auto cost = tree_.serve(now)) return arm(later(now, node_.files->occupy_disk(*cost)));
  if (const auto next = tree_.next_allowed()) arm(std::max(*next, now + Duration(1)));
}

void IoModel::submit(IoGroupId group, IoDirection direction, std::uint64_t bytes,
                     std::uint64_t operations, ProcessRef owner) {
  tree_.submit(group, direction, bytes, operations, owner, node_.engine.now());
  touch();
}

void IoModel::cancel(ProcessRef owner) { tree_.cancel(owner); }

bool IoModel::write_buffered(IoGroupId group, std::uint64_t bytes, std::uint64_t room,
                             ProcessRef owner) {
  const Instant now = node_.engine.now();
  tree_.add_dirty(group, bytes, now);
  const std::uint64_t dirty = tree_.dirty(group);
  if (dirty > room / 10) tree_.start_writeback(group, now);
  const bool waits = dirty > room / 5 && tree_.wait_clean(group, room / 10, owner, now);
  touch();
  return waits;
}

bool IoModel::flush(IoGroupId group, ProcessRef owner) {
  const bool waits = tree_.wait_clean(group, 0, owner, node_.engine.now());
  if (waits) touch();
  return waits;
}

void IoModel::save(SaveArchive& archive) const { archive(tree_, timer_); }

void IoModel::load(LoadArchive& archive) {
  tree_ = IoTree(capacity_of(node_.spec));
  archive(tree_, timer_);
  require_sane(tree_.sane(), "the disk model is damaged");
  if (timer_.pending()) node_.engine.restore_timer(timer_, [this] { on_timer(); });
  require_sane(check().has_value(), "the disk does not go on");
}

Status IoModel::check() const {
  TH_TRY(tree_.check());
  if ((tree_.serving() || tree_.next_allowed()) && !timer_.pending()) {
    return fail(ErrorCode::corrupt, "io.check", node_.spec.name,
                "the disk idles though something waits for it");
  }
  if (!tree_.serving() && timer_.pending()) {
    const auto next = tree_.next_allowed();
    const Instant due = std::max(node_.files->disk_free_at(), node_.engine.now());
    if (next && timer_.at > std::max(*next + Duration(1), due)) {
      return fail(ErrorCode::corrupt, "io.check", node_.spec.name,
                  "the disk idles though a request is allowed");
    }
  }
  return {};
}

}  // namespace twinhull::sim
