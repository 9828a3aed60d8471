#include "runtime/kernel/clock.h"
#include "runtime/kernel/decorators/ports.h"
#include "runtime/kernel/host.h"

namespace twinhull::decorators {
namespace {

class ObservedClock final : public Clock {
 public:
  ObservedClock(Clock& inner, Hook& hook) : inner_(inner), hook_(hook) {}
  // Reading a clock changes nothing and cannot fail: no observer could refuse it.
  Instant now() override { return inner_.now(); }
  WallTime wall() override { return inner_.wall(); }
  Status sleep(Duration length) override {
    return hook_.call("clock.sleep", {}, [&] { return inner_.sleep(length); }, length);
  }

 private:
  Clock& inner_;
  Hook& hook_;
};

class ObservedHost final : public Host {
 public:
  ObservedHost(Host& inner, Hook& hook) : inner_(inner), hook_(hook) {}
  Result<HostInfo> info() override {
    return hook_.call("host.info", {}, [&] { return inner_.info(); });
  }
  Result<Support> supports(Feature feature) override {
    return hook_.call("host.supports", to_string(feature),
                      [&] { return inner_.supports(feature); });
  }
  Result<LoadAverage> load() override {
    return hook_.call("host.load", {}, [&] { return inner_.load(); });
  }
  Result<HostUsage> usage() override {
    return hook_.call("host.usage", {}, [&] { return inner_.usage(); });
  }
  Result<DiskInfo> disk(const std::string& path) override {
    return hook_.call("host.disk", path, [&] { return inner_.disk(path); });
  }
  Result<std::string> boot_id() override {
    return hook_.call("host.boot_id", {}, [&] { return inner_.boot_id(); });
  }

 private:
  Host& inner_;
  Hook& hook_;
};

}  // namespace

std::unique_ptr<Clock> wrap_clock(Clock& inner, Hook& hook) {
  return std::make_unique<ObservedClock>(inner, hook);
}
std::unique_ptr<Host> wrap_host(Host& inner, Hook& hook) {
  return std::make_unique<ObservedHost>(inner, hook);
}

}  // namespace twinhull::decorators
