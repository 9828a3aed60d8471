#include "runtime/kernel/contract/peer_channel.h"

#include "runtime/kernel/contract/checks.h"
#include "runtime/kernel/mounts.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/cgroups.h"

namespace twinhull::contract {

std::unique_ptr<Channel> connected(ContractStage& stage, const std::string& service) {
  MUST(stage.serve_contract_services());
  return MUST(stage.kernel().channels().connect(stage.peer_address(), service, kPatience));
}

std::string next(Channel& channel) {
  const auto message = MUST(channel.receive(kPatience));
  BOOST_REQUIRE_MESSAGE(message.has_value(), "the channel was closed");
  return *message;
}

void send_directory(ContractStage& stage, const std::string& from, const std::string& to) {
  MUST(stage.peer().files().make_directory(to));
  const auto channel = connected(stage, "tree-sink");
  MUST(channel->send(to));
  const TransferResult sent = MUST(channel->send_tree(from, {}));
  BOOST_REQUIRE_MESSAGE(next(*channel).starts_with(sent.digest + " "), "the copy is another");
}

RestoreSpec root_at_peer(ContractStage& stage, const Box& box) {
  const std::string top = stage.peer_scratch();
  Kernel& peer = stage.peer();
  send_directory(stage, stage.template_tree(), top + "/lower");
  send_directory(stage, box.upper, top + "/upper");
  for (const char* directory : {"/work", "/root"}) MUST(peer.files().make_directory(top + directory));
  MUST(peer.mounts().overlay(top + "/root", {{top + "/lower"}, top + "/upper", top + "/work"}));
  MUST(peer.cgroups().create({"c2"}));
  RestoreSpec spec;
  spec.label = "c2";
  spec.root = top + "/root";
  spec.cgroup = {"c2"};
  return spec;
}

}  // namespace twinhull::contract
