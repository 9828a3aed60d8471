#include "backends/sim/ports/ports.h"

namespace twinhull::sim {
namespace {

// One boot of one node: every port remembers the boot that it belongs to.
class NodeKernel final : public Kernel {
 public:
  explicit NodeKernel(Node& node)
      : clock_(make_clock_port(NodeGate(node))),
        files_(make_files_port(NodeGate(node))),
        mounts_(make_mounts_port(NodeGate(node))),
        processes_(make_processes_port(NodeGate(node))),
        cgroups_(make_cgroups_port(NodeGate(node))),
        quotas_(make_quotas_port(NodeGate(node))),
        links_(make_links_port(NodeGate(node))),
        channels_(make_channels_port(NodeGate(node))),
        checkpoints_(make_checkpoints_port(NodeGate(node))),
        host_(make_host_port(NodeGate(node))) {}

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
  std::unique_ptr<Clock> clock_;
  std::unique_ptr<Files> files_;
  std::unique_ptr<Mounts> mounts_;
  std::unique_ptr<Processes> processes_;
  std::unique_ptr<Cgroups> cgroups_;
  std::unique_ptr<Quotas> quotas_;
  std::unique_ptr<Links> links_;
  std::unique_ptr<Channels> channels_;
  std::unique_ptr<Checkpoints> checkpoints_;
  std::unique_ptr<Host> host_;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(Node& node) {
  return std::make_unique<NodeKernel>(node);
}

}  // namespace twinhull::sim
