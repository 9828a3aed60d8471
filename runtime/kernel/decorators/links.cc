#include "runtime/kernel/links.h"

#include "runtime/kernel/decorators/ports.h"

namespace twinhull::decorators {
namespace {

using Name = const std::string&;

class ObservedLinks final : public Links {
 public:
  ObservedLinks(Links& inner, Hook& hook) : inner_(inner), hook_(hook) {}

  Status create_veth(const VethSpec& spec) override {
    return hook_.call(
        "links.create_veth", spec.node_name, [&] { return inner_.create_veth(spec); }, spec);
  }
  Result<Effect> create_bridge(Name name) override {
    return hook_.call("links.create_bridge", name, [&] { return inner_.create_bridge(name); });
  }
  Result<Effect> remove(Name name) override {
    return hook_.call("links.remove", name, [&] { return inner_.remove(name); });
  }
  Status set_bridge(Name device, Name bridge) override {
    return hook_.call(
        "links.set_bridge", device, [&] { return inner_.set_bridge(device, bridge); }, bridge);
  }
  Status set_up(const NetScope& scope, Name device, bool up) override {
    return hook_.call(
        "links.set_up", device, [&] { return inner_.set_up(scope, device, up); }, scope, up);
  }
  Result<Effect> add_address(const NetScope& scope, Name device, const IpPrefix& address) override {
    return hook_.call(
        "links.add_address", device, [&] { return inner_.add_address(scope, device, address); },
        scope, address);
  }
  Result<Effect> remove_address(const NetScope& scope, Name device,
                                const IpPrefix& address) override {
    return hook_.call(
        "links.remove_address", device,
        [&] { return inner_.remove_address(scope, device, address); }, scope, address);
  }
  Result<Effect> add_route(const NetScope& scope, const Route& route) override {
    return hook_.call(
        "links.add_route", route.device, [&] { return inner_.add_route(scope, route); }, scope,
        route);
  }
  Result<Effect> remove_route(const NetScope& scope, const IpPrefix& destination) override {
    return hook_.call(
        "links.remove_route", {}, [&] { return inner_.remove_route(scope, destination); }, scope,
        destination);
  }
  Result<std::vector<Route>> routes(const NetScope& scope) override {
    return hook_.call("links.routes", {}, [&] { return inner_.routes(scope); }, scope);
  }
  Status enable_routing(Name device) override {
    return hook_.call("links.enable_routing", device,
                      [&] { return inner_.enable_routing(device); });
  }
  Status announce(const IpAddress& address) override {
    return hook_.call("links.announce", {}, [&] { return inner_.announce(address); }, address);
  }
  Result<std::optional<LinkInfo>> find(const NetScope& scope, Name device) override {
    return hook_.call("links.find", device, [&] { return inner_.find(scope, device); }, scope);
  }
  Result<std::vector<LinkInfo>> list(const NetScope& scope) override {
    return hook_.call("links.list", {}, [&] { return inner_.list(scope); }, scope);
  }

 private:
  Links& inner_;
  Hook& hook_;
};

}  // namespace

std::unique_ptr<Links> wrap_links(Links& inner, Hook& hook) {
  return std::make_unique<ObservedLinks>(inner, hook);
}

}  // namespace twinhull::decorators
