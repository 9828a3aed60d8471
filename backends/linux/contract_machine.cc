#include "backends/linux/channel/channels.h"
#include "backends/linux/contract_machine.h"

#include <fmt/format.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>
#include <utility>

#include "backends/linux/cgroup/block_device.h"
#include "backends/linux/errno_error.h"
#include "backends/linux/run_tool.h"
#include "runtime/kernel/contract/containers.h"
#include "runtime/kernel/links.h"

namespace twinhull::linux_backend {
namespace {

namespace fs = std::filesystem;

constexpr auto kOperation = "contract.set_up";

std::string read_text(const fs::path& path) {
  std::ifstream stream(path);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

bool is_number(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

// Directories of the prefix in every hierarchy.
std::vector<fs::path> prefix_directories(const std::string& prefix) {
  std::vector<fs::path> found;
  std::error_code ignored;
  const fs::path top = "/sys/fs/cgroup";
  if (fs::is_directory(top / prefix, ignored)) found.push_back(top / prefix);
  for (const auto& hierarchy : fs::directory_iterator(top, ignored))
    if (!hierarchy.is_symlink(ignored) && fs::is_directory(hierarchy.path() / prefix, ignored))
      found.push_back(hierarchy.path() / prefix);
  return found;
}

void remove_groups(const fs::path& group) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(group, ignored))
    if (entry.is_directory(ignored)) remove_groups(entry.path());
  ::rmdir(group.c_str());
}

/// Of the control groups of both nodes.
std::string prefix_of(const std::string& top) {
  return "twinhull-" + fs::path(top).filename().string().substr(3);
}

NodeOptions node_options(const std::string& top, const std::string& self, const std::string& name) {
  NodeOptions options;
  options.name = "th-" + name;
  options.run_directory = top + "/" + name + "/run";
  options.cgroup_prefix = prefix_of(top) + "/" + name;
  options.data_directory = top + "/quota";
  options.peers["th-peer"] = {self, "--serve", "{service}", top};
  return options;
}

/// Who holds CAP_SYS_RESOURCE is not bound by a hard limit of ext4 (capabilities(7)). Containers never
/// hold it; here the cases themselves write into the trees.
Status leave_quota_to_the_kernel() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct sets[2] = {};
  if (::syscall(SYS_capget, &header, sets) != 0)
    return system_error(kOperation, "capabilities", errno);
  sets[0].effective &= ~(1U << CAP_SYS_RESOURCE);
  if (::syscall(SYS_capset, &header, sets) != 0)
    return system_error(kOperation, "capabilities", errno);
  return {};
}

class LinuxStage final : public contract::ContractStage {
 public:
  LinuxStage(std::unique_ptr<Kernel> kernel, std::unique_ptr<Kernel> peer, std::string top)
      : kernel_(std::move(kernel)), peer_(std::move(peer)), top_(std::move(top)) {}

  Kernel& kernel() override { return *kernel_; }
  Kernel& peer() override { return *peer_; }
  PeerAddress peer_address() override { return {"", "th-peer"}; }
  std::string scratch() override { return top_ + "/node/scratch"; }
  std::string peer_scratch() override { return top_ + "/peer/scratch"; }
  std::string template_tree() override { return top_ + "/template"; }
  std::string quota_area() override { return top_ + "/quota"; }
  // Each connection starts a serving process of its own.
  Status serve_contract_services() override { return {}; }
  Status power_cycle() override {
    return fail(ErrorCode::not_supported, "contract.power_cycle", "this machine",
                "a real machine is not switched off by a test");
  }
  int slowness() override {
    const char* const slow = std::getenv("TWINHULL_SLOW_MACHINE");
    return slow != nullptr && std::string_view(slow) == "1" ? 10 : 1;  // as slow as emulation
  }
  Status tear_down() override {
    const Status node = contract::clean_node(*kernel_, scratch(), quota_area());
    const Status peer = contract::clean_node(*peer_, peer_scratch(), {});
    return node ? peer : node;
  }

 private:
  std::unique_ptr<Kernel> kernel_;
  std::unique_ptr<Kernel> peer_;
  const std::string top_;
};

}  // namespace

ContractMachine::ContractMachine(std::string top, std::string self, std::string disk)
    : top_(std::move(top)),
      self_(std::move(self)),
      disk_(std::move(disk)),
      prefix_(prefix_of(top_)) {}

Result<std::unique_ptr<ContractMachine>> ContractMachine::set_up(const std::string& self,
                                                                 const std::string& vzload) {
  if (::geteuid() != 0)
    return fail(ErrorCode::not_permitted, kOperation, "this machine",
                "the contract of the Linux backend can be checked as root only");
  const char* const wanted = std::getenv("TWINHULL_CONTRACT_DISK");
  const std::string disk = wanted == nullptr ? "btrfs" : wanted;
  if (disk != "btrfs" && disk != "ext4" && disk != "xfs")
    return fail(ErrorCode::invalid_argument, kOperation, "TWINHULL_CONTRACT_DISK",
                "is " + disk + ", not btrfs, ext4 or xfs");
  if (disk == "ext4") TH_TRY(leave_quota_to_the_kernel());
  std::string top = "/tmp/th-contract-XXXXXX";
  if (::mkdtemp(top.data()) == nullptr)
    return system_error(kOperation, top, errno, "cannot make a directory");
  std::unique_ptr<ContractMachine> machine(new ContractMachine(top, self, disk));
  TH_TRY(machine->prepare(vzload));
  return machine;
}

Status ContractMachine::prepare(const std::string& vzload) {
  // Whatever kills this process, its mounts and devices go with the namespaces.
  if (::unshare(CLONE_NEWNS | CLONE_NEWNET) != 0)
    return system_error(kOperation, "namespaces", errno, "cannot make namespaces");
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return system_error(kOperation, "/", errno, "cannot make the mounts private");
  TH_TRY(run_tool_well({"ip", "link", "set", "lo", "up"}, kOperation, "lo"));  // criu connects on it
  std::error_code error;
  for (const std::string directory :
       {"/node/scratch", "/node/run", "/peer/scratch", "/peer/run", "/quota", "/template"}) {
    fs::create_directories(top_ + directory, error);
    if (error) return fail(ErrorCode::failed, kOperation, top_ + directory, error.message());
  }
  TH_TRY(make_template(vzload));
  return make_quota_area();
}

Status ContractMachine::make_template(const std::string& vzload) {
  const fs::path root = top_ + "/template";
  std::error_code error;
  fs::path busybox;
  for (const char* candidate : {"/bin/busybox", "/usr/bin/busybox"})
    if (fs::exists(candidate, error)) busybox = candidate;
  if (busybox.empty())
    return fail(ErrorCode::not_found, kOperation, "busybox", "there is no busybox")
        .with_hint("install the package busybox-static");
  for (const char* directory : {"bin", "sbin", "usr/bin", "usr/sbin", "etc", "proc", "sys", "dev",
                                "tmp", "run", "root", "var"})
    fs::create_directories(root / directory, error);
  fs::copy_file(busybox, root / "bin/busybox", error);
  if (!error) fs::copy_file(vzload, root / "bin/vzload", error);
  if (error) return fail(ErrorCode::failed, kOperation, root.string(), error.message());
  TH_ASSIGN(const ToolOutcome list, run_tool({busybox.string(), "--list"}, kOperation));
  std::istringstream names(list.output);
  for (std::string name; std::getline(names, name);)
    if (name != "busybox") fs::create_symlink("busybox", root / "bin" / name, error);
  fs::create_symlink("../bin/busybox", root / "sbin/init", error);
  // Without a table busybox's init would ask for a console.
  std::ofstream(root / "etc/inittab") << "::sysinit:/bin/true\n";
  std::ofstream(root / "etc/passwd") << "root:x:0:0:root:/root:/bin/sh\n";
  return {};
}

Status ContractMachine::make_quota_area() {
  const std::string image = top_ + "/" + disk_ + ".disk";
  std::ofstream(image).close();
  std::error_code error;
  fs::resize_file(image, std::uintmax_t{1} << 30, error);  // sparse
  if (error) return fail(ErrorCode::failed, kOperation, image, error.message());
  if (disk_ == "btrfs") {
    TH_TRY(run_tool_well({"mkfs.btrfs", "-q", image}, kOperation, image));
    TH_TRY(run_tool_well({"mount", "-o", "loop", image, top_ + "/quota"}, kOperation, image));
    TH_TRY(run_tool_well({"btrfs", "quota", "enable", top_ + "/quota"}, kOperation, image));
    return choose_scheduler();
  }
  if (disk_ == "ext4") {
    TH_TRY(run_tool_well({"mkfs.ext4", "-q", "-F", "-m0", "-Oquota,project", "-Equotatype=prjquota",
                          image},
                         kOperation, image));
  } else {
    TH_TRY(run_tool_well({"mkfs.xfs", "-q", image}, kOperation, image));
  }
  TH_TRY(run_tool_well({"mount", "-o", "loop,prjquota", image, top_ + "/quota"}, kOperation, image));
  std::error_code ignored;
  fs::remove(top_ + "/quota/lost+found", ignored);  // cases see an empty directory
  return choose_scheduler();
}

// Weights need BFQ. Where the kernel lacks it the cases see that the port says so.
Status ContractMachine::choose_scheduler() {
  TH_ASSIGN(const BlockDevice disk, find_disk(top_ + "/quota", kOperation));
  const fs::path file = "/sys/block/" + disk.name + "/queue/scheduler";
  const std::string offered = read_text(file);
  if (offered.find("bfq") == std::string::npos) return {};
  scheduler_file_ = file.string();
  earlier_scheduler_ = active_scheduler(offered);
  std::ofstream(file) << "bfq\n";
  // Its heuristics raise the weight of programs that have just begun, for seconds.
  std::ofstream(file.parent_path() / "iosched/low_latency") << "0\n";
  return {};
}

Result<std::unique_ptr<Kernel>> ContractMachine::open_peer(const std::string& top) {
  return open_kernel(node_options(top, {}, "peer"), make_channels);
}

Result<std::unique_ptr<contract::ContractStage>> ContractMachine::make_stage() {
  TH_ASSIGN(auto kernel, open_kernel(node_options(top_, self_, "node"), make_channels));
  TH_ASSIGN(auto peer, open_kernel(node_options(top_, self_, "peer"), make_channels));
  return std::make_unique<LinuxStage>(std::move(kernel), std::move(peer), top_);
}

std::vector<std::string> ContractMachine::leftovers() const {
  std::vector<std::string> found;
  std::error_code ignored;
  for (const fs::path& prefix : prefix_directories(prefix_))
    for (const auto& node : fs::directory_iterator(prefix, ignored))
      if (node.is_directory(ignored))
        for (const auto& group : fs::directory_iterator(node.path(), ignored))
          if (group.is_directory(ignored)) found.push_back("group " + group.path().string());
  std::istringstream mounts(read_text("/proc/self/mountinfo"));
  for (std::string line; std::getline(mounts, line);)
    if (line.find(top_) != std::string::npos && line.find(" " + top_ + "/quota ") == line.npos)
      found.push_back("mount " + line);
  for (const auto& process : fs::directory_iterator("/proc", ignored)) {
    if (!is_number(process.path().filename())) continue;
    if (read_text(process.path() / "cgroup").find(prefix_) != std::string::npos)
      found.push_back("process " + read_text(process.path() / "stat"));
  }
  for (const auto& device : fs::directory_iterator("/sys/block", ignored)) {
    const std::string file = read_text(device.path() / "loop/backing_file");
    if (file.starts_with(top_) && !file.starts_with(top_ + "/" + disk_ + ".disk"))
      found.push_back("loop device " + device.path().filename().string() + " on " + file);
  }
  for (const char* directory : {"/node/scratch", "/peer/scratch", "/quota"})
    for (const auto& entry : fs::directory_iterator(top_ + directory, ignored))
      found.push_back("file " + entry.path().string());
  for (const char* directory : {"/node/run", "/peer/run"})
    for (const auto& entry : fs::recursive_directory_iterator(top_ + directory, ignored))
      // The log of the latest failed dump or restore stays on purpose.
      if (!entry.is_directory(ignored) && entry.path().extension() != ".lock" &&
          !entry.path().filename().string().starts_with("criu-"))
        found.push_back("record " + entry.path().string());
  // A fresh /sys shows the devices of this network namespace; /proc/net does so in any case.
  std::istringstream devices(read_text("/proc/self/net/dev"));
  for (std::string line; std::getline(devices, line);)
    if (line.find("th-") != std::string::npos) found.push_back("device " + line);
  return found;
}

ContractMachine::~ContractMachine() {
  std::error_code ignored;
  for (const fs::path& prefix : prefix_directories(prefix_)) remove_groups(prefix);
  // The loop device outlives us: it goes back as it was.
  if (!scheduler_file_.empty()) std::ofstream(scheduler_file_) << earlier_scheduler_ << '\n';
  if (::umount2((top_ + "/quota").c_str(), MNT_DETACH) != 0 && errno != EINVAL)
    fmt::print(stderr, "cannot unmount {}/quota: errno {}\n", top_, errno);
  // Mounts that a case left below would be emptied by remove_all: leave such a directory.
  std::istringstream mounts(read_text("/proc/self/mountinfo"));
  for (std::string line; std::getline(mounts, line);) {
    if (line.find(" " + top_) == std::string::npos) continue;
    fmt::print(stderr, "{} stays: something is mounted below it\n", top_);
    return;
  }
  fs::remove_all(top_, ignored);
}

}  // namespace twinhull::linux_backend
