// vzsim: shows and steers a simulated world between vz commands.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/processes.h"
#include "tools/common/backend.h"
#include "tools/common/duration_text.h"
#include "tools/common/world_file.h"

namespace {

using namespace twinhull;
using tools::WorldFile;

constexpr int kFailed = 1;
constexpr int kUsage = 2;

int report(const Error& error) {
  std::fprintf(stderr, "vzsim: %s\n", error.message().c_str());
  return kFailed;
}

std::uint64_t mebibytes(Bytes bytes) { return bytes.value >> 20; }

struct NodeView {
  sim::NodeSpec spec;
  bool on = false;
  std::size_t running = 0;
  Bytes disk_free;
};

NodeView look(sim::World& world, const sim::NodeSpec& spec) {
  NodeView view{spec, world.is_on(spec.name), 0, {}};
  if (!view.on) return view;
  Kernel& kernel = world.kernel(spec.name);
  if (const auto inits = kernel.processes().list()) view.running = inits->size();
  if (const auto disk = kernel.host().disk("/vz")) view.disk_free = disk->available;
  return view;
}

int show(WorldFile& file, bool json) {
  sim::World& world = file.world();
  char digest[17];
  std::snprintf(digest, sizeof digest, "%016llx", static_cast<unsigned long long>(world.digest()));
  if (json) {
    nlohmann::ordered_json out;
    out["world"] = file.path();
    out["seed"] = world.seed();
    out["clock_ns"] = world.now().time_since_epoch().count();
    out["digest"] = digest;
    out["nodes"] = nlohmann::ordered_json::array();
    for (const auto& spec : world.nodes()) {
      const NodeView view = look(world, spec);
      out["nodes"].push_back({{"name", spec.name},
                              {"power", view.on},
                              {"cpus", spec.cpus},
                              {"cpu_mhz", spec.cpu_mhz},
                              {"memory", spec.memory.value},
                              {"swap", spec.swap.value},
                              {"disk", spec.disk.value},
                              {"disk_free", view.disk_free.value},
                              {"containers_running", view.running}});
    }
    out["links"] = nlohmann::ordered_json::array();
    for (const auto& link : world.links())
      out["links"].push_back({{"a", link.a},
                              {"b", link.b},
                              {"bandwidth_bits_per_s", link.bandwidth.value},
                              {"latency_ns", link.latency.count()},
                              {"loss_per_million", link.loss_per_million}});
    std::printf("%s\n", out.dump(2).c_str());
    return 0;
  }
  std::printf("World %s   seed %llu   clock %s   digest %s\n\n", file.path().c_str(),
              static_cast<unsigned long long>(world.seed()),
              tools::duration_text(world.now().time_since_epoch()).c_str(), digest);
  std::printf("%-16s %-5s %5s %9s %9s %9s %8s\n", "NODE", "POWER", "CPUS", "RAM_MIB", "DISK_MIB",
              "FREE_MIB", "RUNNING");
  for (const auto& spec : world.nodes()) {
    const NodeView view = look(world, spec);
    const std::string free = view.on ? std::to_string(mebibytes(view.disk_free)) : "-";
    std::printf("%-16s %-5s %5u %9llu %9llu %9s %8zu\n", spec.name.c_str(), view.on ? "on" : "off",
                spec.cpus, static_cast<unsigned long long>(mebibytes(spec.memory)),
                static_cast<unsigned long long>(mebibytes(spec.disk)), free.c_str(), view.running);
  }
  if (!world.links().empty())
    std::printf("\n%-16s %-16s %10s %12s %10s\n", "LINK", "", "MBIT_S", "LATENCY", "LOSS_PPM");
  for (const auto& link : world.links())
    std::printf("%-16s %-16s %10llu %12s %10u\n", link.a.c_str(), link.b.c_str(),
                static_cast<unsigned long long>(link.bandwidth.value / 1'000'000),
                tools::duration_text(link.latency).c_str(), link.loss_per_million);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"vzsim: shows and steers a simulated world"};
  app.require_subcommand(1);
  app.footer(
      "Examples:\n"
      "  vzsim show\n"
      "  vzsim add-node n2 --cpus 8 --memory 32G\n"
      "  vzsim add-link n1 n2 --mbit 1000 --latency 200us\n"
      "  vzsim advance 1h\n"
      "  vzsim power-off n1\n"
      "  vzsim reset --seed 7\n"
      "The vz commands use the same world: vzctl --backend sim --node n2 ...");
  std::string path;
  app.add_option("--world", path, "World file")->envname("TWINHULL_WORLD");

  const auto size = CLI::AsSizeValue(false);
  bool json = false;
  auto* show_command = app.add_subcommand("show", "Nodes, links and clock");
  show_command->add_flag("-j,--json", json, "As JSON");

  sim::NodeSpec node;
  auto* add_node = app.add_subcommand("add-node", "Add a node with the stock templates");
  add_node->add_option("NAME", node.name)->required();
  add_node->add_option("--cpus", node.cpus)->check(CLI::Range(1, 1024));
  add_node->add_option("--kernel", node.kernel, "Release, e.g. 6.1: CPU time is shared as that version does it");
  add_node->add_option("--mhz", node.cpu_mhz)->check(CLI::Range(100, 10000));
  add_node->add_option("--memory", node.memory.value, "Bytes, suffixes K M G T")->transform(size);
  add_node->add_option("--swap", node.swap.value)->transform(size);
  add_node->add_option("--memory-nodes", node.memory_nodes, "NUMA nodes")
      ->check(CLI::Range(1, 1024));
  add_node->add_option("--disk", node.disk.value)->transform(size);

  sim::LinkSpec link;
  std::uint64_t mbit = 1000;
  std::string latency = "200us";
  auto* add_link = app.add_subcommand("add-link", "Join two nodes by a cable");
  add_link->add_option("A", link.a)->required();
  add_link->add_option("B", link.b)->required();
  add_link->add_option("--mbit", mbit, "Mbit/s")->check(CLI::Range(1, 1'000'000));
  add_link->add_option("--latency", latency, "One way, e.g. 200us");
  add_link->add_option("--loss-ppm", link.loss_per_million)->check(CLI::Range(0, 1'000'000));

  std::string length;
  auto* advance = app.add_subcommand("advance", "Let virtual time pass");
  advance->add_option("DURATION", length, "e.g. 500ms, 10s, 5m, 24h")->required();

  std::string target;
  auto* power_off = app.add_subcommand("power-off", "Cut a node's power: unsynced data is lost");
  power_off->add_option("NODE", target)->required();
  auto* power_on = app.add_subcommand("power-on", "Boot a node");
  power_on->add_option("NODE", target)->required();

  std::string a, b;
  auto* cut = app.add_subcommand("cut-link", "Cut a cable");
  auto* mend = app.add_subcommand("mend-link", "Mend a cable");
  for (auto* command : {cut, mend}) {
    command->add_option("A", a)->required();
    command->add_option("B", b)->required();
  }
  std::uint64_t amount = 0;
  auto* fill = app.add_subcommand("fill-disk", "Take disk space away from a node; 0 gives it back");
  fill->add_option("NODE", target)->required();
  fill->add_option("BYTES", amount)->required()->transform(size);

  std::uint64_t seed = 1;
  auto* reset = app.add_subcommand("reset", "Throw the world away and start with one node n1");
  reset->add_option("--seed", seed);
  auto* check = app.add_subcommand("check", "Verify the world's own bookkeeping");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  if (path.empty()) path = tools::default_world_path();

  if (reset->parsed()) {
    // A damaged file must not stand in the way of a fresh start.
    std::remove(path.c_str());
  }
  auto file = WorldFile::open(path);
  if (!file) return report(file.error());
  if (show_command->parsed()) return show(*file, json);
  if (check->parsed()) {
    if (const Status right = file->world().check(); !right) return report(right.error());
    std::printf("The world's books are right.\n");
    return 0;
  }

  sim::World* world = &file->world();
  Status done;
  if (reset->parsed()) {
    auto fresh = std::make_unique<sim::World>(seed);
    done = tools::add_ready_node(*fresh, {.name = "n1"});
    file->replace(std::move(fresh));
  } else if (add_node->parsed()) {
    done = tools::add_ready_node(*world, node);
  } else if (add_link->parsed()) {
    const auto parsed = tools::parse_duration(latency);
    if (!parsed)
      return report(fail(ErrorCode::invalid_argument, "options", "--latency " + latency,
                         "not a duration: use a number with ns, us, ms, s, m, h or d"));
    link.latency = *parsed;
    link.bandwidth = {mbit * 1'000'000};
    done = world->add_link(link);
  } else if (advance->parsed()) {
    const auto parsed = tools::parse_duration(length);
    if (!parsed)
      return report(fail(ErrorCode::invalid_argument, "options", "advance " + length,
                         "not a duration: use a number with ns, us, ms, s, m, h or d"));
    if (*parsed > world->time_left()) {
      return report(fail(ErrorCode::invalid_argument, "options", "advance " + length,
                         "a world lasts 200 years, and " +
                             tools::duration_text(world->time_left()) + " are left"));
    }
    world->advance(*parsed);
  } else if (power_off->parsed()) {
    done = world->power_off(target);
  } else if (power_on->parsed()) {
    done = world->power_on(target);
  } else if (cut->parsed()) {
    done = world->set_link_up(a, b, false);
  } else if (mend->parsed()) {
    done = world->set_link_up(a, b, true);
  } else if (fill->parsed()) {
    done = world->occupy_disk(target, {amount});
  }
  if (!done) return report(done.error());
  if (const Status saved = file->save(); !saved) return report(saved.error());
  return 0;
}
