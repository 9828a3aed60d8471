// What a container has around its processes, as criu must be told.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "backends/linux/checkpoint/nested_groups.h"
#include "backends/linux/linux_kernel.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/checkpoints.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// Names in the text of /proc/PID/net/dev, but the loopback and the devices that each namespace
/// gets by itself from modules (tunl0, sit0, …).
std::vector<std::string> devices_in(std::string_view net_dev);

/// A file of the node that is mounted over one of the container.
struct ExternalMount {
  std::string target;  ///< in the container
  std::string
      source;  ///< path on the node, or "view:NAME" for a file of the proc view (proc_view.h)
  bool operator==(const ExternalMount&) const = default;
};
/// Those in a text of /proc/PID/mountinfo: the proc view, and device nodes where the launcher binds
/// them (cgroup v2). Errors: corrupt.
Result<std::vector<ExternalMount>> external_mounts(std::string_view mountinfo);

/// Whether `devices` names exactly `present`. Error: invalid_argument.
Status compare_devices(const std::vector<VethEnds>& devices,
                       const std::vector<std::string>& present, std::string_view operation);

/// The control groups of one container.
struct GroupPlace {
  CgroupPath group;     ///< below the node's prefix
  std::string freezer;  ///< directory through which it is frozen: of the v2 tree, or the v1 freezer
  bool alone_in_v2 = false;  ///< all controllers are in the v2 tree, so groups of its own have them
};
/// Of a container's init. Errors: not_running, not_supported (it is in no group of this node).
Result<GroupPlace> group_of_init(const NodeOptions& options, ProcessRef init,
                                 std::string_view operation);

/// A process of the group whose ancestors do not lead to `init` is a program of vzctl exec. Errors:
/// busy, naming it.
Status refuse_outsiders(Cgroups& cgroups, const CgroupPath& group, ProcessRef init,
                        std::string_view operation);

/// What this backend notes beside the images, in the file "twinhull": what criu does not tell back.
struct ImageNotes {
  std::string group;                 ///< of the container in each hierarchy: "/twinhull/101"
  std::int32_t init = 0;             ///< its init's number on the node, which names criu's lock
  std::vector<std::string> devices;  ///< inside
  std::vector<ExternalMount> externals;
  std::vector<NestedGroup> groups = {};  ///< of its own, on cgroup v2
  std::string lazy = {};  ///< name of a lazy dump (page_protocol.h); empty = all memory is here
};
inline constexpr std::string_view kView = "view:";
inline constexpr const char* kNotesFile = "/twinhull";
std::string notes_text(const ImageNotes& notes);
/// Error: corrupt.
Result<ImageNotes> parse_notes(std::string_view text, const std::string& path);

}  // namespace twinhull::linux_backend
