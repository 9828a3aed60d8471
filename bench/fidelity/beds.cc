#include "bench/fidelity/beds.h"

#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "backends/linux/testing/node_fixture.h"
#include "backends/sim/world.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/mounts.h"
#include "tools/common/world_file.h"

namespace twinhull::fidelity {
namespace {

using linux_backend::testing::TestDisk;
using linux_backend::testing::TestNode;
using linux_backend::testing::TestNodeOptions;

constexpr auto kCall = "fidelity.bed";

/// Mounts a root for the loads of all cases; `base` is in front of every path of the node.
Result<std::string> mount_root(Kernel& kernel, const std::string& base) {
  for (const char* name : {"/private/fs", "/private/work", "/root/load"})
    TH_TRY(kernel.files().make_directory(base + "/vz" + name));
  const std::string root = base + "/vz/root/load";
  TH_TRY(kernel.mounts().overlay(root, {{base + "/vz/template/cache/busybox"},
                                        base + "/vz/private/fs", base + "/vz/private/work"}));
  return root;
}

class SimulatedBed final : public OwnedBed {
 public:
  Status build(const std::string& release) {
    sim::NodeSpec spec;
    spec.name = "n1";
    spec.kernel = release;
    spec.cpus = 2;
    TH_TRY(tools::add_ready_node(world_, spec));
    TH_ASSIGN(root_, mount_root(world_.kernel("n1"), ""));
    return {};
  }
  Bed bed() override { return {world_.kernel("n1"), root_, "/vz", {}}; }

 private:
  sim::World world_{1};
  std::string root_;
};

class RealBed final : public OwnedBed {
 public:
  Status build(RealDisk disk) {
    TestNodeOptions options;
    options.disk = disk == RealDisk::own ? TestDisk::ext4 : TestDisk::plain;
    options.io_weights = disk == RealDisk::own;
    TH_ASSIGN(node_, TestNode::make(disk == RealDisk::own ? "fiddisk" : "fidelity", options));
    TH_TRY(node_->install_busybox());
    TH_ASSIGN(root_, mount_root(node_->kernel(), node_->root()));
    sched_param priority{};
    priority.sched_priority = 1;
    // Loads start from here and must not inherit it.
    if (::sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &priority) != 0)
      return fail(ErrorCode::not_permitted, kCall, "scheduling policy", std::strerror(errno))
          .with_hint("run as root, outside of groups without real-time budget");
    return {};
  }
  Bed bed() override {
    // Calls on the other node in between leave the thread in that one's network namespace.
    static_cast<void>(node_->enter());
    return {node_->kernel(), root_, *node_ / "/vz", [this](bool on) { return weigh(on); }};
  }

 private:
  /// The node's own prefix group is nothing that the runtime sets: what it weighs is the
  /// machine's affair.
  [[nodiscard]] Status weigh(bool heavy) const {
    const std::string prefix = node_->node_options().cgroup_prefix;
    const std::string v1 = "/sys/fs/cgroup/cpu/" + prefix + "/cpu.shares";
    const std::string v2 = "/sys/fs/cgroup/" + prefix + "/cpu.weight";
    const bool old = ::access(v1.c_str(), W_OK) == 0;
    std::ofstream stream(old ? v1 : v2);
    if (old) {
      stream << (heavy ? 262144 : 1024);
    } else {
      stream << (heavy ? 10000 : 100);
    }
    stream.close();
    if (stream) return {};
    return fail(ErrorCode::not_supported, kCall, old ? v1 : v2, "cannot be written")
        .with_hint("mount the cpu controller below /sys/fs/cgroup");
  }

  std::unique_ptr<TestNode> node_;
  std::string root_;
};

template <typename Kind, typename... Arguments>
Result<std::unique_ptr<OwnedBed>> make(Arguments... arguments) {
  auto made = std::make_unique<Kind>();
  TH_TRY(made->build(arguments...));
  return std::unique_ptr<OwnedBed>(std::move(made));
}

}  // namespace

Result<std::unique_ptr<OwnedBed>> make_simulated_bed(const std::string& release) { return make<SimulatedBed>(release); }
Result<std::unique_ptr<OwnedBed>> make_real_bed(RealDisk disk) { return make<RealBed>(disk); }

std::string describe_machine() {
  utsname name{};
  ::uname(&name);
  return std::string(name.sysname) + " " + name.release + " " + name.machine + ", " +
         std::to_string(::sysconf(_SC_NPROCESSORS_ONLN)) + " CPUs";
}

std::string kernel_release() {
  utsname name{};
  ::uname(&name);
  return name.release;
}

}  // namespace twinhull::fidelity
