// Port: what runs in a container as files, and back (spec F3.15, F3.29; models 6.8).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/kernel/cgroup_path.h"
#include "runtime/kernel/channels.h"
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
  bool durable = true;  ///< as DumpSpec::durable
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
  /// The images survive a power cut from the moment that the call returns. Off: the disk is not
  /// waited for; after a power cut they may be there in part, and look whole.
  bool durable = true;
  /// Post-copy (Feature::lazy_pages): memory that the processes can do without for a moment stays out
  /// of the images and is held here, with the processes frozen (`after` must be stay_frozen), until
  /// give_pages() has given all of it away, drop_pages(), or the end of the processes.
  bool lazy = false;
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

/// A dump whose images went to the peer while they were written.
struct SentDump {
  DumpResult dump;
  TransferResult sent;
};

struct RestoreSpec {
  std::string label;  ///< as SpawnSpec::label
  std::string root;   ///< mounted root directory, with the files of the time of the dump
  CgroupPath cgroup;  ///< exists and is empty
  std::string images;
  std::vector<VethEnds> devices;  ///< as at the dump; the node's ends may have other names
  bool frozen = false;            ///< nothing runs until Cgroups::thaw
  /// The images are of a lazy dump: the processes are made without the memory that it held back, and
  /// whoever touches a page of it waits until take_pages() has brought it.
  bool lazy = false;
};

/// Memory that followed restored processes.
struct PagesMoved {
  Pages pages;   ///< over this channel; what a broken one brought before is not counted again
  Pages faults;  ///< of them, those that were asked for because a process was waiting
  bool operator==(const PagesMoved&) const = default;
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
/// and the devices do (TCP repair). Images are durable when a call returns unless the caller waives
/// it, and of one backend.
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
  /// corrupt (parent); invalid_argument (`devices` does not name exactly the devices inside; `lazy`
  /// without stay_frozen); not_supported (`lazy` without Feature::lazy_pages); busy
  /// (for now: a command of vzctl exec runs inside, a connection is being made); not_supported
  /// (what a process holds leads out of the container or cannot be saved: an external socket or
  /// pipe, a device, a file on a mount of others); failed (another cause of the tool).
  virtual Result<DumpResult> dump(ProcessRef init, const DumpSpec& spec) = 0;

  /// dump() and Channel::send_tree of its images at the same time: memory goes to the peer while it
  /// is written, so that the processes stand still for less than one after the other would take. The
  /// peer calls Channel::receive_tree; it fails when the dump does. When this returns the images are
  /// whole here and there. `how`: rate, compress, durable.
  /// After an error nobody was ended, the processes are as after a refused dump, and the images of
  /// both sides are worth nothing; the channel stays usable unless its stream is broken.
  /// Errors: those of dump and of send_tree; invalid_argument (`after` is kill, `lazy`, another field
  /// of `how`). The peer hears of each, also of those before the first byte.
  virtual Result<SentDump> dump_over(ProcessRef init, const DumpSpec& spec, Channel& channel,
                                     const TransferOptions& how) = 0;

  /// Makes the container of the images run. Returns when it does, or would but for `frozen`.
  /// Errors: already_running (label); not_found (root, cgroup, images); exists (a device of such a
  /// name); corrupt (half or damaged images, or a parent is missing); invalid_argument (devices
  /// other than at the dump; `lazy` where the dump was not, or the reverse); failed (a file that a process has open is not in the root, or another
  /// cause of the tool); limit_exceeded, no_memory.
  virtual Result<RestoreResult> restore(const RestoreSpec& spec) = 0;

  /// Post-copy, source: gives the memory that a lazy dump of the frozen container of `init` holds
  /// back to the peer, who must call take_pages() on the other end of `channel`, in the order in which
  /// the peer's processes need it and the rest besides. Returns when the peer has all. The processes
  /// stay frozen; let them never go on again once the others have run. After an error of the channel
  /// the memory is still held: call it again with a new one, from any process of this node.
  /// Errors: not_running; not_found (nothing is held back: it has been given away, or dropped, or the
  /// dump was not lazy); those of Channel.
  virtual Result<PagesMoved> give_pages(ProcessRef init, Channel& channel) = 0;

  /// Post-copy, destination: brings the missing memory of the container of `init`, which was restored
  /// with RestoreSpec::lazy and may run. After an error of the channel what is missing is still missing
  /// and whoever touches it waits: call it again with a new channel, from any process of this node.
  /// Never does a process see other content than its own. Errors: not_running; not_found (nothing is
  /// missing); those of Channel.
  virtual Result<PagesMoved> take_pages(ProcessRef init, Channel& channel) = 0;

  /// Source: ends the holding of a lazy dump. Its processes stay frozen and whole: thaw makes them go
  /// on, as after a dump that was not lazy. Unchanged where nothing is held back. Errors: not_running.
  virtual Result<Effect> drop_pages(ProcessRef init) = 0;

  /// Destination: whether memory of the container of `init` has yet to come (take_pages). It cannot
  /// be dumped (busy) until then; killing it is possible at any time. Errors: not_running.
  virtual Result<bool> lacks_pages(ProcessRef init) = 0;
};

}  // namespace twinhull
