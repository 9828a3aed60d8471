// Files of the block controllers: values in, values out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "backends/linux/cgroup/block_device.h"
#include "backends/linux/cgroup/tree.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/host.h"

namespace twinhull::linux_backend {

/// Refuses values that no kernel takes, with `frame` as the error to fill.
Status check_io_weight(Error frame, IoWeight weight);
Status check_io_limit(Error frame, const IoLimit& limit);

/// Whether BFQ schedules the disk, or why weights do not act there.
Support bfq_support(CgroupTree& tree, const BlockDevice& disk);
/// Whether the v2 cost model is on for the disk: `text` is the root's io.cost.qos.
bool cost_model_on(std::string_view text, const BlockDevice& disk);

/// The weight in "100\n" or "default 100\n8:0 200\n" (the group's own); 0 when there is none.
std::uint64_t parse_io_weight(std::string_view text);
/// "8:0 rbps=1048576 wbps=max …": the line of io.max that sets `limit`.
std::string io_max_line(const BlockDevice& disk, const IoLimit& limit);
/// The limit of `disk` in the text of io.max. Where the directions differ, the lower holds.
IoLimit parse_io_max(std::string_view text, const BlockDevice& disk);
/// Sums over all disks of a v1 file with lines "8:0 Read 4096": reads and writes.
void add_v1_counters(std::string_view text, std::uint64_t& reads, std::uint64_t& writes);
/// The sums of io.stat.
void add_io_stat(std::string_view text, IoSample& sample);

}  // namespace twinhull::linux_backend
