#include "backends/linux/process/child_plan.h"

namespace twinhull::linux_backend {

std::string_view to_string(ChildStep step) {
  switch (step) {
    case ChildStep::none: return "start";
    case ChildStep::join_groups: return "enter the control groups";
    case ChildStep::user_map: return "wait for the user and group maps";
    case ChildStep::identity: return "become root inside";
    case ChildStep::namespaces: return "make the namespaces";
    case ChildStep::enter_namespaces: return "enter the container's namespaces";
    case ChildStep::private_mounts: return "make the mounts private";
    case ChildStep::root: return "prepare the root directory";
    case ChildStep::pivot: return "change the root directory";
    case ChildStep::proc: return "mount /proc";
    case ChildStep::sys: return "mount /sys";
    case ChildStep::dev: return "make /dev";
    case ChildStep::device_nodes: return "make a device node in /dev";
    case ChildStep::pts: return "mount /dev/pts";
    case ChildStep::shm: return "mount /dev/shm";
    case ChildStep::mqueue: return "mount /dev/mqueue";
    case ChildStep::run: return "mount /run";
    case ChildStep::cgroup_namespace: return "make the cgroup namespace";
    case ChildStep::cgroup_mounts: return "mount the control groups";
    case ChildStep::proc_view: return "show the limited view of /proc";
    case ChildStep::masks: return "hide a path of /proc or /sys";
    case ChildStep::read_only: return "make a path of /proc read-only";
    case ChildStep::old_root: return "let go of the node's root";
    case ChildStep::console: return "open the console log";
    case ChildStep::hostname: return "set the host name";
    case ChildStep::loopback: return "bring the loopback device up";
    case ChildStep::session: return "start a session";
    case ChildStep::terminal: return "open a terminal in /dev/pts";
    case ChildStep::streams: return "set the standard streams";
    case ChildStep::limits: return "set a resource limit";
    case ChildStep::directory: return "change to the working directory";
    case ChildStep::parent: return "go on";
    case ChildStep::bounding_set: return "drop a capability";
    case ChildStep::seccomp: return "load the seccomp filter";
    case ChildStep::capabilities: return "set the capabilities";
    case ChildStep::descriptors: return "close the inherited descriptors";
    case ChildStep::inner_fork: return "start the program's process";
    case ChildStep::exec: return "execute the program";
  }
  return "start";
}

void Program::seal() {
  argv.clear();
  environment.clear();
  for (auto& text : argv_text) argv.push_back(text.data());
  for (auto& text : environment_text) environment.push_back(text.data());
  argv.push_back(nullptr);
  environment.push_back(nullptr);
}

}  // namespace twinhull::linux_backend
