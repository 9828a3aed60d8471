#include "backends/linux/channel/channels.h"
#include "backends/linux/testing/node_fixture.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "backends/linux/cgroup/block_device.h"
#include "backends/linux/errno_error.h"
#include "backends/linux/file/entry.h"
#include "backends/linux/file/files.h"
#include "backends/linux/io.h"
#include "backends/linux/loop_device.h"
#include "backends/linux/quota/qgroups.h"
#include "backends/linux/run_tool.h"
#include "backends/linux/testing/busybox_root.h"
#include "backends/linux/testing/sweep.h"
#include "backends/linux/unique_fd.h"

namespace twinhull::linux_backend::testing {
namespace {

constexpr auto kOperation = "testing.node";

Result<std::string> namespace_of(const std::string& process) {
  return read_link_at(AT_FDCWD, "/proc/" + process + "/ns/mnt", kOperation, process);
}

/// Gives the calling thread a mount namespace that shows nothing to the machine, unless it has one:
/// one that its parent process is not in.
Status leave_shared_mounts() {
  TH_ASSIGN(const std::string own, namespace_of("thread-self"));
  // A parent that cannot be looked at (the machine's init, once the real one has ended) may share it.
  const auto parents = namespace_of(std::to_string(::getppid()));
  if ((!parents || own == *parents) && ::unshare(CLONE_NEWNS) != 0)
    return system_error(kOperation, "mount namespace", errno, "cannot make one");
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return system_error(kOperation, "/", errno, "cannot make the mounts private");
  return {};
}

/// Makes a network namespace that lives as long as it is mounted at `path`; lo is up in it. The
/// calling thread is inside afterwards.
Status make_network_namespace(const std::string& path) {
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0600));
  if (!file) return system_error(kOperation, path, errno, "cannot make the file");
  if (::unshare(CLONE_NEWNET) != 0)
    return system_error(kOperation, path, errno, "cannot make a network namespace");
  if (::mount("/proc/thread-self/ns/net", path.c_str(), nullptr, MS_BIND, nullptr) != 0)
    return system_error(kOperation, path, errno, "cannot keep the network namespace");
  return run_tool_well({"ip", "link", "set", "lo", "up"}, kOperation, "lo");
}

Status enter_network_namespace(const std::string& path) {
  UniqueFd space(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!space) return system_error(kOperation, path, errno);
  if (::setns(space.get(), CLONE_NEWNET) != 0)
    return system_error(kOperation, path, errno, "cannot enter the network namespace");
  return {};
}

/// How a disk is made and mounted.
struct DiskRecipe {
  std::vector<std::string> make;  ///< the image's name follows
  const char* type;
  const char* options;  ///< of the file system; nullptr: none
};

DiskRecipe recipe_for(TestDisk disk, const std::string& label) {
  switch (disk) {
    case TestDisk::btrfs:
      return {{"mkfs.btrfs", "-q", "-K", "-msingle", "-L", label}, "btrfs", nullptr};
    case TestDisk::ext4_project:
      return {{"mkfs.ext4", "-q", "-F", "-m0", "-Enodiscard,quotatype=prjquota", "-Oquota,project"},
              "ext4",
              "prjquota"};
    case TestDisk::xfs_project: return {{"mkfs.xfs", "-q", "-K"}, "xfs", "prjquota"};
    case TestDisk::ext4:
    case TestDisk::plain: break;
  }
  return {{"mkfs.ext4", "-q", "-F", "-m0", "-Enodiscard"}, "ext4", nullptr};
}

bool is_node_name(const std::string& name) {
  if (name.empty() || name.size() > 8) return false;
  for (const char letter : name)
    if (!(letter >= 'a' && letter <= 'z') && !(letter >= '0' && letter <= '9')) return false;
  return true;
}

}  // namespace

Result<std::unique_ptr<TestNode>> TestNode::make(const std::string& name,
                                                 const TestNodeOptions& options) {
  if (::geteuid() != 0)
    return fail(ErrorCode::not_permitted, kOperation, name, "test nodes need root");
  if (!is_node_name(name)) {
    return fail(ErrorCode::invalid_argument, kOperation, name,
                "a name is 1 to 8 lower-case letters and digits");
  }
  TH_TRY(leave_shared_mounts());
  TH_TRY(sweep());
  std::unique_ptr<TestNode> node(new TestNode);
  TH_TRY(node->build(name, options));
  return node;
}

Status TestNode::build(const std::string& name, const TestNodeOptions& options) {
  const std::string id = std::to_string(::getpid()) + "-" + name;
  std::string pattern = "/tmp/" + std::string(kDirectoryPrefix) + id + "-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr)
    return system_error(kOperation, pattern, errno, "cannot make the directory");
  directory_ = pattern;
  // Containers' processes of another user must be able to pass.
  if (::chmod(directory_.c_str(), 0755) != 0) return system_error(kOperation, directory_, errno);
  options_.name = name;
  options_.run_directory = directory_ + "/run";
  options_.cgroup_prefix = std::string(kGroupPrefix) + id;
  options_.network_namespace = network_namespace();
  options_.data_directory = root() + "/vz";
  options_.peers = options.peers;
  options_.image_quota = options.image_quota;
  options_.proc_view = options.proc_view;

  const auto files = make_files(options_);
  for (const char* path : {"/run", "/root"}) TH_TRY(files->make_directory(directory_ + path));
  TH_TRY(make_network_namespace(network_namespace()));
  TH_TRY(mount_disk(options));
  for (const char* path :
       {"/vz", "/vz/private", "/vz/root", "/vz/lock", "/vz/template", "/vz/template/cache", "/etc",
        "/etc/vz", "/etc/vz/conf", "/etc/vz/names", "/var", "/var/log"})
    TH_TRY(files->make_directory(root() + path));
  if (!options.with_kernel) return {};
  TH_ASSIGN(kernel_, open());
  return {};
}

/// The whole root() lies on the node's disk, so that configuration and private areas are on one.
Status TestNode::mount_disk(const TestNodeOptions& options) {
  if (options.disk == TestDisk::plain) return {};
  const std::string image = directory_ + "/disk.img";
  {
    UniqueFd file(::open(image.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    if (!file || ::ftruncate(file.get(), static_cast<off_t>(options.disk_size.value)) != 0)
      return system_error(kOperation, image, errno, "cannot make the disk");
  }
  const DiskRecipe recipe = recipe_for(options.disk, "th-" + options_.name);
  auto tool = recipe.make;
  tool.push_back(image);
  TH_TRY(run_tool_well(tool, kOperation, image));
  TH_ASSIGN(const LoopDevice device, attach_loop(image, kOperation));
  if (::mount(device.path.c_str(), root().c_str(), recipe.type, MS_NOATIME, recipe.options) != 0) {
    const int number = errno;
    if (number == EINVAL && recipe.options != nullptr)
      return fail(ErrorCode::not_supported, kOperation, image,
                  std::string("this kernel mounts no ") + recipe.type + " with project quota")
          .with_errno(number)
          .with_hint("it needs CONFIG_QUOTA and CONFIG_QFMT_V2 for ext4, CONFIG_XFS_QUOTA for xfs");
    return system_error(kOperation, image, number, "cannot mount the disk");
  }
  const bool btrfs = options.disk == TestDisk::btrfs;
  if (options.io_weights) TH_TRY(schedule_by_bfq(device.path));
  if (!btrfs) return {};
  UniqueFd top(::open(root().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!top) return system_error(kOperation, root(), errno);
  return Qgroups(top.get(), kOperation, root()).enable();
}

Status TestNode::schedule_by_bfq(const std::string& device) {
  const std::string file =
      "/sys/block" + device.substr(device.rfind('/')) + "/queue/scheduler";
  TH_ASSIGN(const std::string offered, read_kernel_file(file, kOperation));
  if (offered.find("bfq") == std::string::npos) return {};
  earlier_scheduler_ = active_scheduler(offered);
  TH_TRY(write_kernel_file(file, "bfq", kOperation));
  scheduler_file_ = file;
  // Its heuristics raise the weight of programs that have just begun, for seconds; large budgets and
  // requests beside the one in service make shares stray for as long.
  const std::string knobs = "/sys/block" + device.substr(device.rfind('/')) + "/queue/iosched/";
  TH_TRY(write_kernel_file(knobs + "low_latency", "0", kOperation));
  TH_TRY(write_kernel_file(knobs + "strict_guarantees", "1", kOperation));
  TH_TRY(write_kernel_file(knobs + "max_budget", "1024", kOperation));
  return {};
}

Result<std::unique_ptr<Kernel>> TestNode::open() const {
  return open_kernel(options_, make_channels);
}

Status TestNode::enter() const {
  return enter_network_namespace(network_namespace());
}

Status TestNode::install_busybox() {
  return make_busybox_root(root() + "/vz/template/cache/busybox");
}

Status TestNode::close() {
  if (std::exchange(closed_, true) || directory_.empty()) return {};
  kernel_.reset();
  // The loop device outlives the node: it goes back as it was.
  if (!scheduler_file_.empty()) {
    static_cast<void>(write_kernel_file(scheduler_file_, earlier_scheduler_, kOperation));
  }
  // All are tried, the first error is told.
  Status groups = remove_groups(options_.cgroup_prefix);
  Status directory = remove_directory(directory_);
  TH_TRY(std::move(groups));
  return directory;
}

TestNode::~TestNode() {
  if (const Status closed = close(); !closed)
    fmt::print(stderr, "test node {}: {}\n", options_.name, closed.error().message());
}

Status connect_nodes(const TestNode& a, const std::string& device_a, const std::string& address_a,
                     const TestNode& b, const std::string& device_b, const std::string& address_b) {
  TH_TRY(a.enter());
  TH_TRY(run_tool_well({"ip", "link", "add", device_a, "type", "veth", "peer", "name", device_b,
                        "netns", b.network_namespace()},
                       kOperation, device_a));
  TH_TRY(run_tool_well({"ip", "addr", "add", address_a, "dev", device_a}, kOperation, device_a));
  TH_TRY(run_tool_well({"ip", "link", "set", device_a, "up"}, kOperation, device_a));
  TH_TRY(b.enter());
  TH_TRY(run_tool_well({"ip", "addr", "add", address_b, "dev", device_b}, kOperation, device_b));
  TH_TRY(run_tool_well({"ip", "link", "set", device_b, "up"}, kOperation, device_b));
  return a.enter();
}

}  // namespace twinhull::linux_backend::testing
