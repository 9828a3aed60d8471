#include "backends/linux/linux_kernel.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "backends/linux/cgroup/cgroups.h"
#include "backends/linux/checkpoint/checkpoints.h"
#include "backends/linux/cgroup/doors.h"
#include "backends/linux/cgroup/layout.h"
#include "backends/linux/errno_error.h"
#include "backends/linux/file/files.h"
#include "backends/linux/host/clock.h"
#include "backends/linux/host/host.h"
#include "backends/linux/link/links.h"
#include "backends/linux/mount/mounts.h"
#include "backends/linux/process/processes.h"
#include "backends/linux/quota/quotas.h"
#include "backends/linux/unique_fd.h"

namespace twinhull::linux_backend {
namespace {

/// Of a program that talks to no other node.
class NoChannels final : public Channels {
 public:
  Result<std::unique_ptr<Channel>> connect(const PeerAddress& peer, const std::string& /*service*/,
                                           Duration /*timeout*/) override {
    return fail(ErrorCode::not_supported, "channels.connect", peer.text(),
                "this program was built without channels to other nodes");
  }
};

class LinuxKernel final : public Kernel {
 public:
  explicit LinuxKernel(NodeOptions options) : options_(std::move(options)) {}

  /// The ports refer to one another; they are made in the order of their needs.
  Status open(ChannelsFactory make) {
    clock_ = make_clock(options_);
    files_ = make_files(options_);
    mounts_ = make_mounts(options_);
    quotas_ = make_quotas(options_, *files_);
    TH_ASSIGN(cgroups_, make_cgroups(options_));
    TH_ASSIGN(processes_, make_processes(options_, *cgroups_));
    TH_ASSIGN(links_, make_links(options_, *processes_));
    if (make != nullptr) {
      channels_ = make(options_);
    } else {
      channels_ = std::make_unique<NoChannels>();
    }
    checkpoints_ = make_checkpoints(options_, *cgroups_);
    host_ = make_host(options_, *quotas_);
    return {};
  }

  Clock& clock() override { return *clock_; }
  Files& files() override { return *files_; }
  Mounts& mounts() override { return *mounts_; }
  Processes& processes() override { return *processes_; }
  Cgroups& cgroups() override { return *cgroups_; }
  Quotas& quotas() override { return *quotas_; }
  Links& links() override { return *links_; }
  Channels& channels() override { return *channels_; }
  Checkpoints& checkpoints() override { return *checkpoints_; }
  Host& host() override { return *host_; }

 private:
  // First: the ports keep references to it.
  const NodeOptions options_;
  std::unique_ptr<Clock> clock_;
  std::unique_ptr<Files> files_;
  std::unique_ptr<Mounts> mounts_;
  std::unique_ptr<Quotas> quotas_;
  std::unique_ptr<Cgroups> cgroups_;
  std::unique_ptr<Processes> processes_;
  std::unique_ptr<Links> links_;
  std::unique_ptr<Channels> channels_;
  std::unique_ptr<Checkpoints> checkpoints_;
  std::unique_ptr<Host> host_;
};

Status enter_network(const std::string& path) {
  constexpr auto kOperation = "kernel.open";
  UniqueFd space(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!space) {
    return system_error(kOperation, path, errno, "cannot open the node's network namespace");
  }
  if (::setns(space.get(), CLONE_NEWNET) != 0) {
    return system_error(kOperation, path, errno, "cannot enter the node's network namespace");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Kernel>> open_kernel(const NodeOptions& options,
                                            ChannelsFactory channels) {
  if (::geteuid() != 0) {
    return fail(ErrorCode::not_permitted, "kernel.open", "node " + options.name,
                "the Linux backend works as root only")
        .with_hint("run the command as root, or use the simulator");
  }
  if (!options.network_namespace.empty()) TH_TRY(enter_network(options.network_namespace));
  auto kernel = std::make_unique<LinuxKernel>(options);
  TH_TRY(kernel->open(channels));
  return kernel;
}

Status enter_group(const NodeOptions& options, const CgroupPath& path) {
  TH_ASSIGN(const CgroupLayout layout, detect_cgroup_layout());
  return enter_group(layout, options.cgroup_prefix, path);
}

}  // namespace twinhull::linux_backend
