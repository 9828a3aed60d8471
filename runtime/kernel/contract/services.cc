#include "runtime/kernel/contract/services.h"

#include <fmt/format.h>

#include "runtime/kernel/checkpoints.h"
#include "runtime/kernel/processes.h"

namespace twinhull::contract {
namespace {

constexpr Duration kPatience = seconds(30);

Status echo(Channel& channel) {
  while (true) {
    TH_ASSIGN(auto message, channel.receive(kPatience));
    if (!message) break;
    TH_TRY(channel.send(*message));
  }
  channel.close();
  return {};
}

Status swallow(Channel& channel) {
  while (true) {
    TH_ASSIGN(const auto message, channel.receive(kPatience));
    if (!message) break;
  }
  channel.close();
  return {};
}

Status greet(Channel& channel) {
  for (const std::string_view word : {"one", "two", "three"}) TH_TRY(channel.send(word));
  channel.close();
  return {};
}

Status tree_sink(Channel& channel) {
  TH_ASSIGN(const auto directory, channel.receive(kPatience));
  if (!directory) return {};
  const auto received = channel.receive_tree(*directory);
  const std::string answer =
      received ? fmt::format("{} {} {}", received->digest, received->size.bytes.value,
                             received->size.inodes.value)
               : fmt::format("error {}", to_string(received.error().code));
  TH_TRY(channel.send(answer));
  return swallow(channel);
}

Status tree_source(Channel& channel) {
  TH_ASSIGN(const auto directory, channel.receive(kPatience));
  if (!directory) return {};
  TH_ASSIGN(const auto sent, channel.send_tree(*directory, {}));
  TH_TRY(channel.send(sent.digest));
  return swallow(channel);
}

Status take(Channel& channel, Kernel& node) {
  TH_ASSIGN(const auto label, channel.receive(kPatience));
  if (!label) return {};
  TH_ASSIGN(const auto init, node.processes().find(*label));
  if (!init) return channel.send("error not_found");
  const auto moved = node.checkpoints().take_pages(*init, channel);
  TH_TRY(channel.send(moved ? fmt::format("{} {}", moved->pages.value, moved->faults.value)
                            : fmt::format("error {}", to_string(moved.error().code))));
  return swallow(channel);
}

}  // namespace

std::vector<std::string> service_names() {
  return {"echo", "count", "greet", "silent", "tree-sink", "tree-source", "take-pages"};
}

Status run_service(std::string_view name, Channel& channel, Kernel& node) {
  if (name == "echo") return echo(channel);
  if (name == "count" || name == "silent") return swallow(channel);
  if (name == "greet") return greet(channel);
  if (name == "tree-sink") return tree_sink(channel);
  if (name == "tree-source") return tree_source(channel);
  if (name == "take-pages") return take(channel, node);
  return fail(ErrorCode::not_supported, "contract.serve", name, "there is no such service");
}

}  // namespace twinhull::contract
