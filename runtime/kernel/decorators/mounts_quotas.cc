#include "runtime/kernel/decorators/ports.h"
#include "runtime/kernel/mounts.h"
#include "runtime/kernel/quotas.h"

namespace twinhull::decorators {
namespace {

using Path = const std::string&;

class ObservedMounts final : public Mounts {
 public:
  ObservedMounts(Mounts& inner, Hook& hook) : inner_(inner), hook_(hook) {}

  Status overlay(Path target, const OverlaySpec& spec) override {
    return hook_.call("mounts.overlay", target, [&] { return inner_.overlay(target, spec); }, spec);
  }
  Status bind(Path source, Path target, bool read_only) override {
    return hook_.call(
        "mounts.bind", target, [&] { return inner_.bind(source, target, read_only); }, source,
        read_only);
  }
  Status tmpfs(Path target, Bytes size) override {
    return hook_.call("mounts.tmpfs", target, [&] { return inner_.tmpfs(target, size); }, size);
  }
  Result<Effect> unmount(Path target, bool lazy) override {
    return hook_.call("mounts.unmount", target, [&] { return inner_.unmount(target, lazy); }, lazy);
  }
  Result<std::optional<MountInfo>> find(Path target) override {
    return hook_.call("mounts.find", target, [&] { return inner_.find(target); });
  }
  Result<std::vector<MountInfo>> list(Path prefix) override {
    return hook_.call("mounts.list", prefix, [&] { return inner_.list(prefix); });
  }

 private:
  Mounts& inner_;
  Hook& hook_;
};

class ObservedQuotas final : public Quotas {
 public:
  ObservedQuotas(Quotas& inner, Hook& hook) : inner_(inner), hook_(hook) {}

  Result<QuotaMechanism> mechanism(Path path) override {
    return hook_.call("quotas.mechanism", path, [&] { return inner_.mechanism(path); });
  }
  Result<Effect> create_tree(Path path) override {
    return hook_.call("quotas.create_tree", path, [&] { return inner_.create_tree(path); });
  }
  Result<TreeLimit> set_limit(Path path, TreeLimit limit) override {
    return hook_.call(
        "quotas.set_limit", path, [&] { return inner_.set_limit(path, limit); }, limit);
  }
  Result<TreeUsage> usage(Path path) override {
    return hook_.call("quotas.usage", path, [&] { return inner_.usage(path); });
  }
  Result<Effect> remove_tree(Path path) override {
    return hook_.call("quotas.remove_tree", path, [&] { return inner_.remove_tree(path); });
  }
  Status rename_tree(Path from, Path to) override {
    return hook_.call("quotas.rename_tree", from, [&] { return inner_.rename_tree(from, to); }, to);
  }

 private:
  Quotas& inner_;
  Hook& hook_;
};

}  // namespace

std::unique_ptr<Mounts> wrap_mounts(Mounts& inner, Hook& hook) {
  return std::make_unique<ObservedMounts>(inner, hook);
}
std::unique_ptr<Quotas> wrap_quotas(Quotas& inner, Hook& hook) {
  return std::make_unique<ObservedQuotas>(inner, hook);
}

}  // namespace twinhull::decorators
