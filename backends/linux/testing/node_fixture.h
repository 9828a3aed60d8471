// Real nodes for tests: several side by side on one machine, each with its own disk, control groups
// and network namespace. Root only.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backends/linux/linux_kernel.h"
#include "runtime/kernel/kernel.h"
#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull::linux_backend::testing {

/// What the node's /vz lies on.
enum class TestDisk : std::uint8_t {
  btrfs,         ///< a btrfs image with quota counting on
  ext4,          ///< an ext4 image without quota; trees are images when `image_quota` is on
  plain,         ///< a directory of the machine's /tmp
  ext4_project,  ///< an ext4 image with project quota (needs CONFIG_QUOTA and CONFIG_QFMT_V2)
  xfs_project,   ///< an xfs image with project quota (needs CONFIG_XFS_QUOTA)
};

struct TestNodeOptions {
  TestDisk disk = TestDisk::btrfs;
  Bytes disk_size{std::uint64_t{2} << 30};  ///< of the sparse image
  bool image_quota = false;
  /// The disk is scheduled by bfq where the kernel has it, so that weights act.
  bool io_weights = false;
  /// Containers of kernel() get the limited view of /proc where the machine has lxcfs.
  bool proc_view = false;
  /// Off: the node has no kernel(); for tests of single ports.
  bool with_kernel = true;
  /// Program that Channels::connect starts for a peer; see NodeOptions::peers.
  std::map<std::string, std::vector<std::string>> peers = {};
};

/// One node. Everything that it made goes with it: processes of its groups are killed, groups,
/// mounts, its network namespace and its directory removed. When the process dies instead, mounts,
/// loop devices and the namespace go by themselves (they are in the private mount namespace), and
/// the next test process removes the rest.
class TestNode {
 public:
  /// Makes the node "th-<pid>-<name>"; `name` is [a-z0-9]{1,8}, unique in the process. The calling
  /// thread ends up in a mount namespace of this process's own and in the node's network namespace.
  /// Errors: not_permitted (not root), not_supported (what is missing, such as project quota).
  static Result<std::unique_ptr<TestNode>> make(const std::string& name,
                                                const TestNodeOptions& options = {});
  ~TestNode();
  TestNode(const TestNode&) = delete;
  TestNode& operator=(const TestNode&) = delete;

  /// The kernel of the node. It is usable while the calling thread is in the node's network
  /// namespace: see enter(). Precondition: TestNodeOptions::with_kernel.
  Kernel& kernel() { return *kernel_; }
  /// Another kernel of the same node, as the next command would open it.
  Result<std::unique_ptr<Kernel>> open() const;
  /// Moves the calling thread into the node's network namespace. Needed before calls on one node
  /// after calls on another.
  Status enter() const;

  [[nodiscard]] const NodeOptions& node_options() const { return options_; }
  /// Layout.root of the node.
  [[nodiscard]] std::string root() const { return directory_ + "/root"; }
  /// A path below root(): node / "/vz/private".
  [[nodiscard]] std::string operator/(const std::string& path) const { return root() + path; }
  /// Directory of the node's own that is not below root().
  [[nodiscard]] const std::string& directory() const { return directory_; }
  /// Path of the network namespace.
  [[nodiscard]] std::string network_namespace() const { return directory_ + "/netns"; }

  /// Unpacks the template "busybox" into /vz/template/cache/busybox.
  Status install_busybox();

  /// Ends the node now, and says what could not be removed. The destructor does the same and writes
  /// the error to the standard error stream.
  Status close();

 private:
  TestNode() = default;
  Status build(const std::string& name, const TestNodeOptions& options);
  Status mount_disk(const TestNodeOptions& options);
  Status schedule_by_bfq(const std::string& device);

  std::string directory_;
  NodeOptions options_;
  std::unique_ptr<Kernel> kernel_;
  bool closed_ = false;
  std::string scheduler_file_;  ///< empty = left alone
  std::string earlier_scheduler_;
};

/// A cable between two nodes: a veth pair, one end in each namespace, both up, with these addresses
/// ("10.9.0.1/24"). It goes with the first of the two. Device names are [A-Za-z0-9-]{1,15}.
Status connect_nodes(const TestNode& a, const std::string& device_a, const std::string& address_a,
                     const TestNode& b, const std::string& device_b, const std::string& address_b);

}  // namespace twinhull::linux_backend::testing
