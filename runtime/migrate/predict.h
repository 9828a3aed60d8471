// How long a live migration will take (models 6.8), before it begins.
#pragma once

#include <cstdint>
#include <optional>

#include "runtime/kernel/checkpoints.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/units.h"
#include "runtime/migrate/precopy.h"

namespace twinhull::migrate {

/// What was measured of container, node and link.
struct MoveFacts {
  Bytes files;               ///< private area, and the template when it must go along
  Survey survey;             ///< of its processes
  BytesPerSecond bandwidth;  ///< of the link, or the operator's rate if that is less; not 0
  Duration round_trip{0};
  BytesPerSecond disk;    ///< durable writes, measured here and taken for those there; not 0
  EnginePace here, there;  ///< of what dumps and restores, as the nodes know it
  bool iterative = true;  ///< rounds are wanted and the kernel can
  bool lazy = false;      ///< what is left then follows the processes
  PrecopyGoals goals;
};

struct Prediction {
  Duration total{0};
  Duration down{0};
  std::uint32_t rounds = 0;
  Bytes sent;                                       ///< files and memory
  Bytes follows;                                    ///< of it, once the processes have gone on
  PrecopyVerdict verdict = PrecopyVerdict::enough;  ///< why the rounds end
  bool operator==(const Prediction&) const = default;
};

/// What CRIU takes beside memory, and how fast memory goes: measured with CRIU 4.2 on Linux 6.18 (a
/// dump and a restore of 3 to 60 processes of 1 to 200 MiB). A node is slower or faster than that machine
/// by as much as its latest dump (for dumps and rounds here) or restore (there) took longer or shorter than
/// the same would there; by CRIU's look at the machine where there was none yet; `move` by the mean of both.
/// What carries images is not stretched: the way is measured between these nodes, with all that they do to it.
struct CheckpointCosts {
  Duration look = milliseconds(50);           ///< `criu check`
  Duration engine_dump = milliseconds(130);   ///< of `dump` and `restore`: the tool itself
  Duration engine_restore = milliseconds(110);
  Duration move = milliseconds(95);  ///< connection, checks, letting go: beside the downtime
  Duration dump = milliseconds(150);  ///< start of the tool, namespaces, lock of the network
  Duration restore = milliseconds(140);
  Duration round = milliseconds(20);              ///< of pre-dump
  Duration task = milliseconds(3);                ///< in a dump; as much in a restore
  BytesPerSecond write{std::uint64_t{1} << 30};   ///< pages into images
  BytesPerSecond receive{std::uint64_t{1} << 30};  ///< images into files there, beside their way
  BytesPerSecond read{std::uint64_t{2048} << 20};  ///< pages out of images into processes
  Duration lazy_restore = milliseconds(60);       ///< more, for the one that fills memory in
  BytesPerSecond follow{std::uint64_t{290} << 20};  ///< pages that follow, were their way free
};

/// Plays the rounds with the rule that decides in earnest (judge_rounds). Pages change at the rate
/// of the survey, each write another page, up to all: an upper bound for containers whose writes
/// hit the same pages again. Without a rate no page changes. The files that change meanwhile are
/// not foreseen. Of a lazy one the memory that is left is no downtime: it follows piece by piece,
/// each asked for when the one before has come; how often processes wait for it is not foreseen.
Prediction predict(const MoveFacts& facts, const CheckpointCosts& costs = {});

}  // namespace twinhull::migrate
