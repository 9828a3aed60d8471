// The seam on the real Linux kernel.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/kernel/cgroup_path.h"
#include "runtime/kernel/channels.h"
#include "runtime/kernel/kernel.h"
#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

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
  /// Where the node's private areas live; Host::supports asks the quota mechanism here.
  std::string data_directory = "/vz";
  /// Host name → command (argv) that starts the service on that peer and speaks on its standard
  /// streams; "{service}" is replaced. Others are reached by ssh.
  std::map<std::string, std::vector<std::string>> peers;
  /// ssh program and options for hosts outside the table. It is run as
  /// `ssh … [user@]host remote_command…`.
  /// The interval makes it notice a dead peer: channels wait for trees without a limit of their
  /// own.
  std::vector<std::string> ssh = {"ssh", "-oBatchMode=yes", "-oServerAliveInterval=15"};
  /// What ssh runs on the peer; "{service}" is replaced.
  std::vector<std::string> remote_command = {"vzmigrate", "--serve", "{service}"};
  /// Turns quota counting on (`btrfs quota enable`) on a btrfs whose counting is off when the first
  /// quota tree is made there. Off: such a file system counts as having no mechanism.
  bool enable_quota = true;
  /// Where neither btrfs nor project quota acts: keep each quota tree in an ext4 image of its own
  /// beside it (PATH.img, sparse, mounted at PATH through a loop device). Off: plain directories.
  bool image_quota = false;
  /// Size that an image begins with; it can shrink and grow while nothing uses the tree.
  Bytes image_size{std::uint64_t{10} << 30};
  /// Show containers their own memory and CPUs in /proc, by one lxcfs a node that is started when it
  /// is needed and stays. Off: what test nodes want, which leave nothing behind.
  bool proc_view = false;
  /// The program criu; empty = searched for (checkpoint/criu.h).
  std::string criu;
  /// Grows by every byte that channels of this kernel send, for those who watch from another process.
  /// nullptr = nobody. Outlives the kernel.
  std::atomic<std::uint64_t>* sent = nullptr;
  /// Set (by a signal handler) when the command shall stop: the blocking call in progress, or the
  /// next one, takes the wish, clears it and gives `interrupted` once. nullptr = never. Outlives
  /// the kernel.
  std::atomic<bool>* stop = nullptr;
};

/// Makes the Channels port: make_channels() of channel/channels.h. A pointer, for what it needs
/// (libarchive with its XML and Unicode libraries) takes 8 ms of each start of a program, and
/// programs that talk to no other node shall not link it.
using ChannelsFactory = std::unique_ptr<Channels> (*)(const NodeOptions& options);

/// Opens the kernel of a node. Enters `network_namespace` with the calling thread. Without
/// `channels` its Channels refuse every connection with not_supported.
/// Errors: not_permitted (not root), not_supported (names the missing mechanism), not_found.
Result<std::unique_ptr<Kernel>> open_kernel(const NodeOptions& options,
                                            ChannelsFactory channels = nullptr);

/// Moves this program into a control group of the node, which must exist: what the platform's own
/// tools run in. Errors: not_found, not_supported (no hierarchy is mounted), not_permitted.
Status enter_group(const NodeOptions& options, const CgroupPath& path);

/// Wraps the standard streams of this process as the serving end of a channel whose peer called
/// Channels::connect. Afterwards standard input is empty and standard output is the error stream.
/// A peer that asks for none of `services` (empty = any) is refused. Errors: protocol (the peer is
/// none of ours, or of another version), not_supported (such a service), connection_lost,
/// timed_out.
Result<std::unique_ptr<Channel>> serve_standard_streams(
    const std::vector<std::string>& services = {});

}  // namespace twinhull::linux_backend
