#include "runtime/kernel/intercept.h"

#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/channels.h"
#include "runtime/kernel/checkpoints.h"
#include "runtime/kernel/clock.h"
#include "runtime/kernel/decorators/hook.h"
#include "runtime/kernel/decorators/ports.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/links.h"
#include "runtime/kernel/mounts.h"
#include "runtime/kernel/processes.h"
#include "runtime/kernel/quotas.h"

namespace twinhull {
namespace {

using decorators::Hook;

class InterceptedKernel final : public Kernel {
 public:
  InterceptedKernel(Kernel& inner, CallObserver& observer)
      : hook_(observer),
        clock_(decorators::wrap_clock(inner.clock(), hook_)),
        files_(decorators::wrap_files(inner.files(), hook_)),
        mounts_(decorators::wrap_mounts(inner.mounts(), hook_)),
        processes_(decorators::wrap_processes(inner.processes(), hook_)),
        cgroups_(decorators::wrap_cgroups(inner.cgroups(), hook_)),
        quotas_(decorators::wrap_quotas(inner.quotas(), hook_)),
        links_(decorators::wrap_links(inner.links(), hook_)),
        channels_(decorators::wrap_channels(inner.channels(), hook_)),
        checkpoints_(decorators::wrap_checkpoints(inner.checkpoints(), hook_)),
        host_(decorators::wrap_host(inner.host(), hook_)) {}

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
  Hook hook_;
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

/// A served channel that was handed to us: forwards to it without owning it.
class BorrowedChannel final : public Channel {
 public:
  explicit BorrowedChannel(Channel& inner) : inner_(inner) {}
  Status send(std::string_view message) override { return inner_.send(message); }
  Result<std::optional<std::string>> receive(Duration timeout) override {
    return inner_.receive(timeout);
  }
  Result<TransferResult> send_tree(const std::string& path,
                                   const TransferOptions& options) override {
    return inner_.send_tree(path, options);
  }
  Result<TransferResult> receive_tree(const std::string& path) override {
    return inner_.receive_tree(path);
  }
  void close() override { inner_.close(); }

 private:
  Channel& inner_;
};

/// A channel with a hook of its own, for the serving end that no connect() of ours made.
class InterceptedChannel final : public Channel {
 public:
  InterceptedChannel(Channel& inner, std::string peer, CallObserver& observer)
      : hook_(observer),
        channel_(decorators::wrap_channel(std::make_unique<BorrowedChannel>(inner), std::move(peer),
                                          hook_)) {}
  Status send(std::string_view message) override { return channel_->send(message); }
  Result<std::optional<std::string>> receive(Duration timeout) override {
    return channel_->receive(timeout);
  }
  Result<TransferResult> send_tree(const std::string& path,
                                   const TransferOptions& options) override {
    return channel_->send_tree(path, options);
  }
  Result<TransferResult> receive_tree(const std::string& path) override {
    return channel_->receive_tree(path);
  }
  void close() override { channel_->close(); }

 private:
  Hook hook_;
  std::unique_ptr<Channel> channel_;
};

}  // namespace

std::unique_ptr<Kernel> intercept(Kernel& inner, CallObserver& observer) {
  return std::make_unique<InterceptedKernel>(inner, observer);
}

std::unique_ptr<Channel> intercept_channel(Channel& inner, std::string peer,
                                           CallObserver& observer) {
  return std::make_unique<InterceptedChannel>(inner, std::move(peer), observer);
}

}  // namespace twinhull
