// Post-copy as a process feels it: it goes on before all of its memory is there.
#include <algorithm>

#include "backends/sim/checkpoint/dirty_pages.h"
#include "backends/sim/process/process_model.h"

namespace twinhull::sim {
namespace {

constexpr std::uint64_t kFirstTouch = 64;  ///< code, stack and heap of a program that goes on
constexpr std::uint64_t kEventTouch = 8;   ///< stack, and what a system call copies

}  // namespace

void ProcessModel::hold_cpu(const SimProcess& process) const {
  if (process.cpu == 0) return;
  cgroups().cpu().set_stopped(process.cpu, process.stopped || waits_for_memory(process));
  cgroups().touch_cpu();
}

void ProcessModel::lack(SimProcess& process, std::uint64_t pages) {
  process.late.reset();
  if (pages == 0) return;
  LatePages late;
  late.missing = pages;
  late.awaited = std::min(pages, kFirstTouch);
  late.writes = process.program ? process.program->page_writes(node_.engine.now()).count : 0;
  process.late = late;
  hold_cpu(process);
}

bool ProcessModel::must_wait(SimProcess& process) const {
  if (!process.late) return false;
  LatePages& late = *process.late;
  if (std::exchange(late.touched, false)) return false;
  PageWrites writes;
  if (process.program) writes = process.program->page_writes(node_.engine.now());
  const std::uint64_t fresh = writes.count - std::min(writes.count, late.writes);
  late.writes = writes.count;
  const std::uint64_t all =
      cgroups().memory().held(process.memory).value / kPageSize + late.missing;
  const std::uint64_t touched =
      std::min(all, kEventTouch + distinct_pages(writes.pages, fresh, writes.pattern) +
                        (process.program ? process.program->pages_read(process.inbox.front()) : 0));
  late.awaited = static_cast<std::uint64_t>(
      (static_cast<UInt128>(touched) * late.missing + all - 1) / all);
  late.touched = late.awaited > 0;
  if (late.touched) hold_cpu(process);
  return late.touched;
}

std::uint64_t ProcessModel::bring(SimProcess& process, std::uint64_t pages) {
  if (!process.late) return 0;
  LatePages& late = *process.late;
  pages = std::min(pages, late.missing);
  const std::uint64_t waited = std::min(pages, late.awaited);
  late.missing -= pages;
  late.awaited -= waited;
  if (late.missing == 0) process.late.reset();
  const bool goes_on = waited > 0 && !waits_for_memory(process);
  if (goes_on) hold_cpu(process);
  if (!charge(process, {pages * kPageSize})) return waited;  // the OOM killer took it
  if (goes_on && !process.inbox.empty() && runnable(process)) enqueue(process);
  return waited;
}

bool ProcessModel::lacks(std::uint32_t space) const {
  return std::ranges::any_of(processes_, [&](const auto& entry) {
    return entry.second->space == space && entry.second->late;
  });
}

}  // namespace twinhull::sim
