#include "tools/vzctl/simulated_node.h"

#include <stdexcept>
#include <utility>

#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/links.h"
#include "runtime/kernel/mounts.h"
#include "tools/commands.h"
#include "tools/common/node_setup.h"
#include "tools/vzctl/split_words.h"

namespace twinhull::tools {
namespace {

constexpr const char* kNode = "n1";
constexpr Duration kPatience = std::chrono::hours(1);

template <typename T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

}  // namespace

std::string Outcome::text() const {
  return "exit " + std::to_string(code) + "\n" + out + (err.empty() ? "" : "stderr: " + err);
}

SimulatedNode::SimulatedNode(std::uint64_t seed) : world_(std::make_unique<sim::World>(seed)) {
  must(world_->add_node({.name = kNode}));
  must(set_up_node(kernel(), layout));
  must(world_->install_template(kNode, "/vz/template/cache/busybox",
                                {.name = "busybox", .kind = sim::TemplateSpec::Kind::busybox}));
  must(world_->install_template(
      kNode, "/vz/template/cache/debian-12-x86_64",
      {.name = "debian-12-x86_64", .kind = sim::TemplateSpec::Kind::debian}));
}

SimulatedNode::SimulatedNode(std::unique_ptr<sim::World> world) : world_(std::move(world)) {}

std::unique_ptr<SimulatedNode> SimulatedNode::copy() const {
  return std::unique_ptr<SimulatedNode>(new SimulatedNode(must(sim::World::load(world_->save()))));
}

sim::CommandId SimulatedNode::start(const std::vector<std::string>& words,
                                    std::shared_ptr<CapturedConsole> to, std::string input,
                                    Wrap wrap) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + word;
  return must(world_->start(kNode, line,
                            [this, words, to = std::move(to), input = std::move(input),
                             wrap = std::move(wrap)](Kernel& kernel) {
                              const std::unique_ptr<Kernel> wrapped = wrap ? wrap(kernel) : nullptr;
                              Session session{wrapped ? *wrapped : kernel, layout, *to,
                                              [input] { return input; }};
                              return tools::vzctl(session, words);
                            }));
}

Outcome SimulatedNode::finish(sim::CommandId command, const CapturedConsole& console) {
  Outcome outcome;
  outcome.code = must(world_->finish(command, kPatience));
  outcome.out = console.out_text;
  outcome.err = console.error_text;
  return outcome;
}

Outcome SimulatedNode::vzctl(std::string_view words, std::string input) {
  return vzctl(split_words(words), std::move(input));
}

Outcome SimulatedNode::vzctl(const std::vector<std::string>& words, std::string input) {
  std::vector<std::string> argv{"vzctl"};
  argv.insert(argv.end(), words.begin(), words.end());
  auto console = std::make_shared<CapturedConsole>();
  const sim::CommandId command = start(argv, console, std::move(input));
  return finish(command, *console);
}

void SimulatedNode::power_cycle() {
  if (world_->is_on(kNode)) must(world_->power_off(kNode));
  must(world_->power_on(kNode));
}

std::optional<std::string> SimulatedNode::file(const std::string& path) {
  Result<std::string> text = kernel().files().read(path);
  if (text) return *text;
  if (text.error().code == ErrorCode::not_found) return std::nullopt;
  throw std::runtime_error(text.error().message());
}

void SimulatedNode::write(const std::string& path, std::string_view content, std::uint32_t mode) {
  must(kernel().files().write(path, content, mode));
}

bool SimulatedNode::exists(const std::string& path) {
  return must(kernel().files().stat(path)).has_value();
}

std::string SimulatedNode::inside(std::string_view id, const std::string& command) {
  Outcome outcome = vzctl(std::vector<std::string>{"exec2", std::string(id), command});
  while (!outcome.out.empty() && outcome.out.back() == '\n') outcome.out.pop_back();
  return outcome.code == 0 ? outcome.out : outcome.text();
}

std::string SimulatedNode::leaks(bool container_runs) {
  std::string found;
  const auto add = [&found](const std::string& what) { found += what + "; "; };
  Kernel& now = kernel();
  if (!container_runs) {
    for (const std::string& group : must(now.cgroups().children(CgroupPath{})))
      add("group " + group);
    for (const LinkInfo& link : must(now.links().list(NetScope::node())))
      if (link.kind == LinkKind::veth) add("device " + link.name);
    for (const MountInfo& mount : must(now.mounts().list("/vz/root"))) add("mount " + mount.target);
    for (const Route& route : must(now.links().routes(NetScope::node())))
      if (route.device.starts_with("veth")) add("route " + route.destination.text());
  }
  for (const DirectoryEntry& entry : must(now.files().list("/vz/lock")))
    if (!(container_runs && entry.name.ends_with(".live"))) add("lock file " + entry.name);
  for (const DirectoryEntry& entry : must(now.files().list("/vz/private")))
    if (entry.name.find('.') != std::string::npos) add("area " + entry.name);
  for (const DirectoryEntry& entry : must(now.files().list("/etc/vz/conf")))
    if (entry.name.ends_with(".new") || entry.name.ends_with(".replaced"))
      add("configuration " + entry.name);
  if (const Status right = world_->check(); !right) add(right.error().message());
  return found;
}

}  // namespace twinhull::tools
