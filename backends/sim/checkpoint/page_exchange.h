// Post-copy between two simulated nodes: memory that follows restored processes, over a channel.
//
// The destination asks ("want PID PAGES", the container's own number of a process), for 64 pages at
// a time and two such pieces ahead: first what processes wait for, in the order of their numbers,
// then the rest. The source answers each with a message that is as long as the pages; it keeps them
// until the destination has said that it needs no more ("done FAULTS").
#pragma once

#include "backends/sim/process/process_model.h"
#include "runtime/kernel/channels.h"
#include "runtime/kernel/checkpoints.h"

namespace twinhull::sim {

/// As Checkpoints::give_pages.
Result<PagesMoved> give_pages(const NodeGate& gate, ProcessRef init, Channel& channel);
/// As Checkpoints::take_pages.
Result<PagesMoved> take_pages(const NodeGate& gate, ProcessRef init, Channel& channel);
/// The space holds no memory back any more (or none of a dump that was not completed).
void hold_back_nothing(ProcessModel& table, std::uint32_t space);

}  // namespace twinhull::sim
