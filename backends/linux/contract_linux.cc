// The contract suite on the real kernel. As root only.
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>

#include "backends/linux/contract_machine.h"
#include "backends/linux/linux_kernel.h"
#include "runtime/kernel/contract/services.h"
#include "runtime/kernel/contract/suite.h"

namespace {

namespace ut = boost::unit_test;
using namespace twinhull;

// The serving end: this program, started by the channel of the node under test.
int serve(const std::string& service, const std::string& top) {
  auto names = contract::service_names();
  for (const std::string_view name : {contract::kVanish, contract::kTreeVanish})
    names.emplace_back(name);
  auto channel = linux_backend::serve_standard_streams(names);
  if (!channel) {
    fmt::print(stderr, "{}\n", channel.error().message());
    return 1;
  }
  if (service == contract::kVanish) std::_Exit(3);  // in the middle: nothing is closed in order
  if (service == contract::kTreeVanish) {
    std::thread([] {
      std::this_thread::sleep_for(contract::kVanishAfter);
      std::_Exit(3);
    }).detach();
  }
  const bool vanishes = service == contract::kTreeVanish;
  auto node = linux_backend::ContractMachine::open_peer(top);
  if (!node) {
    fmt::print(stderr, "{}\n", node.error().message());
    return 1;
  }
  const Status served = contract::run_service(vanishes ? "tree-sink" : service, **channel, **node);
  if (!served) fmt::print(stderr, "{}: {}\n", service, served.error().message());
  return served ? 0 : 1;
}

// The machine of this run: Boost.Test's start function takes no argument of ours.
std::unique_ptr<linux_backend::ContractMachine>& machine() {
  static std::unique_ptr<linux_backend::ContractMachine> the_machine;
  return the_machine;
}

void nothing_is_left() {
  // This program is the parent of every init that it spawned, and it lives on where a command would
  // have ended: what was killed a moment ago and not waited for is its own to reap.
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {
  }
  // A restored init is the child of the machine's own, which takes its time to reap it.
  auto leftovers = machine()->leftovers();
  for (int round = 0; round < 50 && !leftovers.empty(); ++round) {
    ::usleep(100'000);
    leftovers = machine()->leftovers();
  }
  for (const std::string& left : leftovers) BOOST_ERROR("left behind: " << left);
}

bool register_cases() {
  contract::register_contract({"linux", [] { return machine()->make_stage(); }, false});
  // Last: it sees what all cases left.
  ut::framework::master_test_suite().add(
      ut::make_test_case(nothing_is_left, "nothing_is_left", __FILE__, __LINE__));
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const std::span<char*> arguments(argv, static_cast<std::size_t>(argc));
  if (arguments.size() == 4 && std::string(arguments[1]) == "--serve")
    return serve(arguments[2], arguments[3]);
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  auto made = linux_backend::ContractMachine::set_up(self.string(), TWINHULL_VZLOAD);
  if (!made) {
    fmt::print(stderr, "contract_linux: {}\n", made.error().message());
    return 1;
  }
  machine() = std::move(*made);
  const int code = ut::unit_test_main(register_cases, argc, argv);
  machine().reset();
  return code;
}
