// The seam on the real Linux kernel.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/kernel/channels.h"
#include "runtime/kernel/kernel.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// How one node is set apart from others on the same machine.
struct NodeOptions {
  std::string name = "localhost";
  /// Directory for volatile records of the node (which init has which label); normally on tmpfs.
  std::string run_directory = "/run/twinhull";
  /// Prefix of the node's groups in each cgroup hierarchy: "twinhull" or "twinhull/n1".
  std::string cgroup_prefix = "twinhull";
  /// Path of the node's network namespace ("/run/netns/th-n1"); empty = the caller's.
  std::string network_namespace;
  /// Host name → command (argv) that starts the service on that peer and speaks on its standard
  /// streams; "{service}" is replaced. Others are reached by ssh.
  std::map<std::string, std::vector<std::string>> peers;
  /// ssh program and options for hosts outside the table.
  std::vector<std::string> ssh = {"ssh", "-oBatchMode=yes"};
};

/// Opens the kernel of a node. Enters `network_namespace` with the calling thread.
/// Errors: not_permitted (not root), not_supported (names the missing mechanism), not_found.
Result<std::unique_ptr<Kernel>> open_kernel(const NodeOptions& options);

/// Wraps the standard streams of this process as the serving end of a channel whose peer called
/// Channels::connect.
Result<std::unique_ptr<Channel>> serve_standard_streams();

}  // namespace twinhull::linux_backend
