// The disk of one node: the tree of groups on the node's clock, with the processes that wait.
#pragma once

#include <cstdint>

#include "backends/sim/engine/archive.h"
#include "backends/sim/engine/engine.h"
#include "backends/sim/io/io_tree.h"
#include "backends/sim/node.h"

namespace twinhull::sim {

/// Drives the IoTree: takes requests, serves them one after the other as events, and tells their
/// owners (ProcessEvent::disk). The node's own bulk work (FileStore::charge_disk) takes the disk
/// away from it for its time. A part of CgroupModel.
class IoModel {
 public:
  explicit IoModel(Node& node);

  /// Power cut or boot: nothing waits, nothing is dirty.
  void reset();
  void save(SaveArchive& archive) const;
  void load(LoadArchive& archive);
  /// Also: the disk does not idle beside a request that is allowed.
  [[nodiscard]] Status check() const;

  /// Groups, weights and limits. After a change call touch().
  IoTree& tree() { return tree_; }
  [[nodiscard]] const IoTree& tree() const { return tree_; }
  void touch();

  void submit(IoGroupId group, IoDirection direction, std::uint64_t bytes,
              std::uint64_t operations, ProcessRef owner);
  void cancel(ProcessRef owner);
  /// Buffered data of the group. At a tenth of `room` it begins to be written; above a fifth the
  /// writer must wait for half of it (kernel: dirty_background_ratio, dirty_ratio). True: `owner`
  /// is told later.
  bool write_buffered(IoGroupId group, std::uint64_t bytes, std::uint64_t room, ProcessRef owner);
  /// True: `owner` is told when all that is dirty now is written.
  bool flush(IoGroupId group, ProcessRef owner);

 private:
  void on_timer();
  void go_on();
  void arm(Instant at);

  Node& node_;
  IoTree tree_;
  Timer timer_;
};

}  // namespace twinhull::sim
