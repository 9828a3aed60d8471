// Port: what runs in a container as files, and back (spec F3.15, F3.29; models 6.8).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/kernel/cgroup_path.h"
#include "runtime/kernel/processes.h"
#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull {

/// A veth pair across the border of a container. Its end inside is part of the images: name, MAC,
/// addresses, routes. The node's end is not: restore makes it anew, down, and the caller connects
/// it.
struct VethEnds {
  std::string inside;  ///< device in the container
  std::string node;    ///< the other end's name on the node
  bool operator==(const VethEnds&) const = default;
};

/// One round of pre-copy: memory only.
struct PreDumpSpec {
  std::string images;  ///< empty directory
  std::string parent;  ///< images of the round before, beside `images`; empty = the first round
};

/// What becomes of the processes once their images are complete.
enum class AfterDump : std::uint8_t {
  kill,
  stay_frozen,  ///< as Cgroups::freeze leaves them: thaw makes them go on. Nothing guards their
                ///< connections: a caller who lets an image live takes the devices down before.
  run,          ///< they go on; a group that was frozen stays so
};

struct DumpSpec {
  std::string images;             ///< empty directory
  std::string parent;             ///< images of the latest pre-dump, beside `images`; empty = none
  std::vector<VethEnds> devices;  ///< every device inside but the loopback
  AfterDump after = AfterDump::kill;
};

/// What a dump or a pre-dump did.
struct DumpResult {
  Pages scanned;            ///< pages that the processes hold
  Pages written;            ///< of them, in these images
  Pages skipped;            ///< of them, unchanged since the parent's
  Bytes images;             ///< space that these images take, memory included
  std::uint32_t tasks = 0;  ///< processes; 0 where the tool does not tell
  Duration freezing{0};     ///< until all tasks stood
  Duration frozen{0};       ///< how long they stood; under kill, until the images were complete
  bool operator==(const DumpResult&) const = default;
};

struct RestoreSpec {
  std::string label;  ///< as SpawnSpec::label
  std::string root;   ///< mounted root directory, with the files of the time of the dump
  CgroupPath cgroup;  ///< exists and is empty
  std::string images;
  std::vector<VethEnds> devices;  ///< as at the dump; the node's ends may have other names
  bool frozen = false;            ///< nothing runs until Cgroups::thaw
};

struct RestoreResult {
  ProcessRef init;
  Pages pages;  ///< read from the images and their parents
  Duration took{0};
  bool operator==(const RestoreResult&) const = default;
};

/// Something that would make a dump be refused.
struct Hindrance {
  std::string object;  ///< process and descriptor, mount, device: "process 12 (nginx), descriptor 5"
  std::string cause;
  std::string remedy;  ///< what its operator can do; may be empty
  bool passing = false;  ///< it may be gone in a moment: see busy
  bool operator==(const Hindrance&) const = default;
};

/// What a container that runs would be like to move.
struct Survey {
  std::vector<Hindrance> hindrances;  ///< those that can be known without trying
  std::uint32_t tasks = 0;            ///< processes
  std::uint64_t descriptors = 0;
  std::uint64_t sockets = 0;     ///< of them
  Pages held;                    ///< memory that a dump writes
  std::optional<Pages> changed;  ///< of it, pages written to while it was watched; std::nullopt: this
                                 ///< kernel does not tell (Feature::dirty_tracking)
  Duration watched{0};
  bool operator==(const Survey&) const = default;
};

/// Process state of containers. Processes are known inside by the same numbers as before; timers
/// run on from where they stood; the clock jumps. Established connections come back when the root
/// and the devices do (TCP repair). Images are durable when a call returns, and of one backend.
///
/// Refusals name what stands in the way in one line — process, descriptor or device, and why — and
/// where the full log is, when there is one. A refused dump leaves the processes as they were, and
/// images that are worth nothing; a refused restore leaves the images, and nothing else. Common
/// errors: not_supported (Feature::checkpoint is absent), node_down; no_space, quota_exceeded.
class Checkpoints {
 public:
  virtual ~Checkpoints() = default;

  /// Looks at the container of `init`, which goes on, and watches its memory for `watch` (0 = not at
  /// all). Ends a series of pre-dumps: the next must be a first one. Errors: not_running.
  virtual Result<Survey> survey(ProcessRef init, Duration watch) = 0;

  /// Writes the memory of the container of `init` and starts to watch what changes; the processes
  /// stand still for a moment only. Errors: not_running, not_found (images, parent), not_empty
  /// (images), not_supported (no Feature::dirty_tracking), busy (see dump).
  virtual Result<DumpResult> pre_dump(ProcessRef init, const PreDumpSpec& spec) = 0;

  /// Writes everything. Errors: not_running; not_found (images, parent); not_empty (images);
  /// corrupt (parent); invalid_argument (`devices` does not name exactly the devices inside); busy
  /// (for now: a command of vzctl exec runs inside, a connection is being made); not_supported
  /// (what a process holds leads out of the container or cannot be saved: an external socket or
  /// pipe, a device, a file on a mount of others); failed (another cause of the tool).
  virtual Result<DumpResult> dump(ProcessRef init, const DumpSpec& spec) = 0;

  /// Makes the container of the images run. Returns when it does, or would but for `frozen`.
  /// Errors: already_running (label); not_found (root, cgroup, images); exists (a device of such a
  /// name); corrupt (half or damaged images, or a parent is missing); invalid_argument (devices
  /// other than at the dump); failed (a file that a process has open is not in the root, or another
  /// cause of the tool); limit_exceeded, no_memory.
  virtual Result<RestoreResult> restore(const RestoreSpec& spec) = 0;
};

}  // namespace twinhull
