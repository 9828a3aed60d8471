#include "backends/linux/testing/lan.h"

#include <fmt/format.h>

#include <fstream>

#include "backends/linux/run_tool.h"

namespace twinhull::linux_backend::testing {
namespace {

constexpr std::string_view kOperation = "testing.lan";
constexpr const char* kBridge = "th-switch";
constexpr const char* kDevice = "th-lan";

Status ip(const std::vector<std::string>& words) {
  std::vector<std::string> argv = {"ip"};
  argv.insert(argv.end(), words.begin(), words.end());
  return run_tool_well(argv, kOperation, words.back());
}

Status set(const std::string& name, std::string_view value) {
  std::ofstream file("/proc/sys/" + name);
  file << value;
  file.close();
  if (file) return {};
  return fail(ErrorCode::failed, kOperation, name, "cannot be set");
}

}  // namespace

Result<std::unique_ptr<Lan>> Lan::make(const std::vector<const TestNode*>& nodes) {
  auto lan = std::make_unique<Lan>();
  TestNodeOptions options;
  options.disk = TestDisk::plain;
  options.with_kernel = false;
  TH_ASSIGN(lan->switch_, TestNode::make("switch", options));
  TH_TRY(lan->switch_->enter());
  TH_TRY(ip({"link", "add", kBridge, "type", "bridge", "forward_delay", "0"}));
  TH_TRY(ip({"link", "set", "up", "dev", kBridge}));
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const std::string port = fmt::format("th-port{}", i + 1);
    TH_TRY(lan->switch_->enter());
    TH_TRY(ip({"link", "add", port, "type", "veth", "peer", "name", kDevice, "netns",
               nodes[i]->network_namespace()}));
    TH_TRY(ip({"link", "set", "master", kBridge, "up", "dev", port}));
    TH_TRY(nodes[i]->enter());
    TH_TRY(ip({"addr", "add", fmt::format("10.255.0.{}/24", i + 1), "dev", kDevice}));
    TH_TRY(ip({"link", "set", "up", "dev", kDevice}));
    TH_TRY(ip({"route", "add", "10.0.0.0/8", "dev", kDevice}));
    TH_TRY(set(fmt::format("net/ipv4/conf/{}/proxy_arp", kDevice), "1"));
    TH_TRY(set(fmt::format("net/ipv4/neigh/{}/proxy_delay", kDevice), "0"));
    // It forwards for an address on its way by the device that it came by: nobody is to be told.
    TH_TRY(set(fmt::format("net/ipv4/conf/{}/send_redirects", kDevice), "0"));
    TH_TRY(set("net/ipv4/conf/all/send_redirects", "0"));
    TH_TRY(set("net/ipv4/ip_forward", "1"));
  }
  return lan;
}

}  // namespace twinhull::linux_backend::testing
