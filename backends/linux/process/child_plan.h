// What a child process does between its birth and its program, decided before it is born.
#pragma once

#include <linux/filter.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "backends/linux/cgroup/doors.h"

namespace twinhull::linux_backend {

/// Where the child is when something fails. Reported to the parent with the errno.
enum class ChildStep : std::int32_t {
  none, join_groups, user_map, identity, namespaces, enter_namespaces, private_mounts, root,
  pivot, proc, sys, dev, device_nodes, pts, shm, mqueue, run, cgroup_namespace, cgroup_mounts,
  masks, proc_view, read_only, old_root, console, hostname, loopback, session, terminal, streams, limits,
  directory, parent, bounding_set, seccomp, capabilities, descriptors, inner_fork, exec,
};
/// The step in words that complete "cannot ...".
std::string_view to_string(ChildStep step);

/// One message on the control socket, in both directions. The socket closes itself at exec.
struct ControlMessage {
  enum class Kind : std::int32_t {
    go,        ///< parent: everything is recorded, execute
    mapped,    ///< parent: user and group maps are written; may carry the root as a mount
    terminal,  ///< child: carries the master of the new pseudo-terminal
    failed,    ///< child: `step` failed with `number`
  };
  Kind kind = Kind::go;
  ChildStep step = ChildStep::none;
  std::int32_t number = 0;
  std::int32_t index = 0;  ///< which of several equal things failed
};

/// A program with everything execve(2) needs.
struct Program {
  std::vector<std::string> candidates;  ///< paths to try, in order
  std::vector<std::string> argv_text;
  std::vector<std::string> environment_text;
  std::string directory;
  /// Pointers into the texts, ended by nullptr; made by `seal` when the texts are final.
  std::vector<char*> argv, environment;
  void seal();
};

/// A control group hierarchy to mount in the container.
struct CgroupMount {
  std::string directory;  ///< "/sys/fs/cgroup/cpu,cpuacct"
  std::string type;       ///< "cgroup" or "cgroup2"
  std::string options;    ///< "cpu,cpuacct"
  bool writable = false;  ///< mounted after the others were made read-only
  std::vector<std::string> aliases;  ///< links beside it: "/sys/fs/cgroup/cpu"
};

struct Limit {
  int resource = 0;
  rlimit value{};
};

/// Plain data: the child reads it after fork and allocates nothing.
struct ChildPlan {
  Program program;
  const CgroupDoors* doors = nullptr;  ///< groups to enter; nullptr = stay

  // Namespaces: new ones with a root of their own, or those of an init, or neither.
  bool own_root = false;
  std::string root;
  std::string hostname;
  std::string console_log;
  std::vector<CgroupMount> cgroup_mounts;
  std::vector<std::string> proc_view;  ///< files of kProcViewFiles as the node sees them
  bool user_namespace = false;
  bool bind_devices = false;  ///< mknod is refused here (user namespace, v2 device rules)
  bool inner_init = false;    ///< process 1 only waits; the program is process 2
  int status_fd = -1;         ///< where inner_init writes the wait status
  int init_pidfd = -1;        ///< enter the namespaces of this process
  int entered_namespaces = 0; ///< CLONE_NEW* for setns(2)

  std::array<int, 3> streams = {-1, -1, -1};  ///< -1 = /dev/null
  bool terminal = false;
  unsigned short rows = 0, columns = 0;

  std::vector<Limit> limits;
  bool restrict_capabilities = false;
  std::uint64_t capabilities = 0;
  int last_capability = 40;
  std::vector<sock_filter> filter;  ///< empty = none
};

/// Runs in the child: follows the plan and executes the program; reports failures on `control`.
[[noreturn]] void run_child(const ChildPlan& plan, int control);

}  // namespace twinhull::linux_backend
