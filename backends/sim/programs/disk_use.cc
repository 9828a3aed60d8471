#include "backends/sim/programs/disk_use.h"

#include <algorithm>
#include <utility>

#include "backends/sim/programs/launch.h"

namespace twinhull::sim {

Duration copy_time(std::uint64_t bytes) {
  return Duration(
      static_cast<std::int64_t>(static_cast<UInt128>(bytes) * 1'000'000'000 / kMemoryRate));
}

bool write_to_cache(ProcessModel& table, const SimProcess& process, std::uint64_t bytes,
                    std::uint64_t fresh) {
  CgroupModel& groups = table.cgroups();
  const Cgroup& group = *groups.find(process.cgroup);
  groups.memory().add_cache(group.memory, {fresh});
  return groups.io().write_buffered(
      group.io, bytes, groups.memory().effective_limit(group.memory).value, process.ref);
}

std::uint64_t ask_disk(ProcessModel& table, const SimProcess& process, IoDirection direction,
                       std::uint64_t block, std::uint64_t bytes) {
  CgroupModel& groups = table.cgroups();
  const IoGroupId group = groups.find(process.cgroup)->io;
  const std::uint64_t blocks =
      std::min(groups.io().tree().blocks_at_once(group, block), (bytes - 1) / block + 1);
  groups.io().submit(group, direction, std::min(blocks * block, bytes), blocks, process.ref);
  return blocks;
}

std::uint64_t missing_in_cache(ProcessModel& table, const SimProcess& process,
                               std::uint64_t bytes) {
  CgroupModel& groups = table.cgroups();
  const MemoryGroupId group = groups.find(process.cgroup)->memory;
  return bytes - std::min(bytes, groups.memory().sample(group).cache.value);
}

int make_durable(const FileView& files, const Transfer& transfer, std::string_view program,
                 std::string& err) {
  if (transfer.sync_all) files.sync_all();
  int status = 0;
  for (const std::string& path : transfer.sync) {
    const Status synced = files.sync(path);
    if (synced) continue;
    err += std::string(program) + ": " + path + ": " + reason_of(synced.error()) + "\n";
    status = 1;
  }
  return status;
}

void TransferProgram::handle(ProcessModel& table, SimProcess& process, const ProcessEvent& event) {
  if (event.kind == ProcessEvent::Kind::signal || event.kind == ProcessEvent::Kind::child) return;
  Transfer& left = transfer_;
  if (left.read > 0) {
    const std::uint64_t blocks = ask_disk(table, process, IoDirection::read, left.block, left.read);
    const std::uint64_t part = std::min(left.read, blocks * left.block);
    left.read -= part;
    if (left.direct_read) return;
    CgroupModel& groups = table.cgroups();
    return groups.memory().add_cache(groups.find(process.cgroup)->memory, {part});
  }
  if (left.write > 0 && left.direct_write) {
    const std::uint64_t blocks =
        ask_disk(table, process, IoDirection::write, left.block, left.write);
    left.write -= std::min(left.write, blocks * left.block);
    return;
  }
  if (left.write > 0) {
    const std::uint64_t part = std::min(left.write, kCachePiece);
    left.write -= part;
    if (write_to_cache(table, process, part, part)) return;
    return table.arm(process, table.node().engine.now() + copy_time(part));
  }
  const IoGroupId group = table.cgroups().find(process.cgroup)->io;
  // Time first: what is durable when the program ends was not before.
  if (left.flush && !std::exchange(flushing_, true) &&
      table.cgroups().io().flush(group, process.ref)) {
    return;
  }
  status_ = std::max(status_, make_durable(table.view(process), left, process.argv[0], err_));
  const Status told = table.write(process, process.streams.err, err_);
  table.finish(process, {false, told ? status_ : 1});
}

void TransferProgram::leave(ProcessModel& table, SimProcess& process) {
  table.cgroups().io().cancel(process.ref);
}

void TransferProgram::save(SaveArchive& archive) const {
  archive(transfer_.read, transfer_.write, transfer_.block, transfer_.direct_read,
          transfer_.direct_write, transfer_.flush, transfer_.sync_all, transfer_.sync, status_,
          err_, flushing_);
}

void TransferProgram::load(LoadArchive& archive) {
  archive(transfer_.read, transfer_.write, transfer_.block, transfer_.direct_read,
          transfer_.direct_write, transfer_.flush, transfer_.sync_all, transfer_.sync, status_,
          err_, flushing_);
  require_sane(transfer_.block >= 512 && transfer_.block <= (std::uint64_t{1} << 40U) &&
                   transfer_.read <= kUnlimited / 2 && transfer_.write <= kUnlimited / 2,
               "a transfer is damaged");
}

}  // namespace twinhull::sim
