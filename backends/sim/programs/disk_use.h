// How programs use the disk: page cache, requests in the name of their group, and the programs that
// only move the bytes of files.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "backends/sim/io/io_tree.h"
#include "backends/sim/process/process_model.h"
#include "backends/sim/process/program.h"

namespace twinhull::sim {

/// First touch of pages and copies within memory, bytes a second.
inline constexpr std::uint64_t kMemoryRate = std::uint64_t{4} << 30U;
/// The largest piece of a file that is written to the page cache at once.
inline constexpr std::uint64_t kCachePiece = std::uint64_t{8} << 20U;

/// How long copying so much within memory takes.
Duration copy_time(std::uint64_t bytes);
/// `bytes` of a file go to the page cache of the process's group, `fresh` of which it did not hold.
/// True: too much is dirty, and the process is told (ProcessEvent::disk) when it may go on.
bool write_to_cache(ProcessModel& table, const SimProcess& process, std::uint64_t bytes,
                    std::uint64_t fresh);
/// Hands in disk I/O of whole blocks, as many as the limits of the group take at once and `bytes`
/// (> 0) need. The process is told when it is done. Returns the number of blocks.
std::uint64_t ask_disk(ProcessModel& table, const SimProcess& process, IoDirection direction,
                       std::uint64_t block, std::uint64_t bytes);
/// Of `bytes` of files, those that are not in the group's page cache. Which files the cache holds
/// is not modelled: what fits into it counts as held.
std::uint64_t missing_in_cache(ProcessModel& table, const SimProcess& process, std::uint64_t bytes);

/// What a program does to the disk, all within the limits of its group.
struct Transfer {
  std::uint64_t read = 0;   ///< bytes from the disk
  std::uint64_t write = 0;  ///< bytes to the page cache; direct: to the disk
  std::uint64_t block = std::uint64_t{128} << 10U;  ///< bytes of one operation, at least 512
  bool direct_read = false, direct_write = false;   ///< past the page cache
  bool flush = false;                  ///< at the end all that is dirty in the group is written
  bool sync_all = false;               ///< then all files are durable
  std::vector<std::string> sync = {};  ///< or these
};
/// The last part of a transfer. Returns the exit status; errors go to `err`, as `program` says
/// them.
int make_durable(const FileView& files, const Transfer& transfer, std::string_view program,
                 std::string& err);

/// dd, cp, mv, sync and their kin: the files have their new content at once, and this is the time
/// that it takes. Reads first, then writes, then flushes; ends with a prepared status and text.
class TransferProgram final : public Program {
 public:
  TransferProgram() = default;
  TransferProgram(Transfer transfer, int status, std::string err)
      : transfer_(std::move(transfer)), status_(status), err_(std::move(err)) {}
  [[nodiscard]] ProgramKind kind() const override { return ProgramKind::transfer; }
  [[nodiscard]] bool uses_disk() const override { return true; }
  void handle(ProcessModel& table, SimProcess& process, const ProcessEvent& event) override;
  void leave(ProcessModel& table, SimProcess& process) override;
  void save(SaveArchive& archive) const override;
  void load(LoadArchive& archive) override;

 private:
  Transfer transfer_;
  int status_ = 0;
  std::string err_;
  bool flushing_ = false;
};

}  // namespace twinhull::sim
