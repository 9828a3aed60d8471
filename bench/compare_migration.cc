// Live migration between two real nodes on this machine, beside a bare dump and restore of the same
// container by CRIU with the same flags, in one run; and beside what `vzmigrate --check` foretold.
// Prints a Markdown table. Needs root.
//   compare_migration BIN-DIRECTORY [ROUNDS]
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "runtime/container/context.h"
#include "runtime/container/dump.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/checkpoints.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/links.h"
#include "runtime/network/venet.h"
#include "tools/stages/linux_stage.h"

namespace {

using namespace twinhull;

struct Figures {
  std::vector<double> down, total, told_down, told_total, bare;
};

[[noreturn]] void give_up(const std::string& what) {
  std::fprintf(stderr, "compare_migration: %s\n", what.c_str());
  std::exit(1);
}

template <typename T>
T must(Result<T> result) {
  if (!result) give_up(result.error().message());
  return std::move(*result);
}
void must(const Status& status) {
  if (!status) give_up(status.error().message());
}

class Pair {
 public:
  explicit Pair(const std::string& bin) : stage_(tools::make_linux_stage(bin)) {
    plan_.area = "migration";
    plan_.nodes = {{.name = "n1"}, {.name = "n2"}};
    plan_.links = {{.a = "n1", .b = "n2"}};
    plan_.templates.resize(1);
    plan_.templates.front().name = "busybox";
    must(stage_->build(plan_, 1));
  }

  std::string run(const std::string& node, std::vector<std::string> words) {
    const std::string name = words[0] + " " + words[1];
    const auto id = must(stage_->start({node, std::move(words), ""}));
    const scenario::CommandEnd end = must(stage_->wait(id, seconds(300)));
    if (end.exit_code != 0) give_up(name + ": " + end.out + end.error);
    return end.out;
  }
  scenario::Stage& stage() { return *stage_; }

  /// Dump, which ends it, and restore, by the port alone: milliseconds.
  double bare_dump_and_restore(const std::string& node) {
    Kernel& kernel = stage_->kernel(node);
    const CtId id{101};
    const std::string images = stage_->layout(node).data_directory() + "/bare";
    must(kernel.files().remove_tree(images));
    must(kernel.files().make_directory(images));
    const auto init = must(kernel.processes().find(container::label_of(id)));
    if (!init) give_up("CT 101 is not running");
    const std::vector<VethEnds> devices = {{network::kContainerDevice, network::node_device(id)}};
    const Duration begun = stage_->now();
    must(kernel.checkpoints().dump(*init, {.images = images, .parent = {}, .devices = devices}));
    while (!must(kernel.cgroups().processes(container::group_of(id))).empty())
      must(stage_->advance(milliseconds(1)));
    must(network::tear_down(kernel, id));
    const Duration dumped = stage_->now() - begun;
    const Duration again = stage_->now();
    must(kernel.checkpoints().restore({.label = container::label_of(id),
                                       .root = stage_->layout(node).data_directory() + "/root/101",
                                       .cgroup = container::group_of(id),
                                       .images = images,
                                       .devices = devices}));
    const Duration restored = stage_->now() - again;
    const auto back = must(kernel.processes().find(container::label_of(id)));
    must(network::reconnect(kernel, id, *back));
    must(kernel.files().remove_tree(images));
    return static_cast<double>((dumped + restored) / microseconds(1)) / 1000;
  }

 private:
  scenario::Scenario plan_;
  std::unique_ptr<scenario::Stage> stage_;
};

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

/// Milliseconds of a line of the timing table.
double timing(const std::string& text, const std::string& line) {
  const auto at = text.find("\t" + line);
  if (at == std::string::npos) give_up("no line \"" + line + "\" in: " + text);
  return std::strtod(text.c_str() + at + 1 + line.size(), nullptr) * 1000;
}

Figures measure(Pair& pair, const std::string& memory, int rounds) {
  const std::vector<std::vector<std::string>> set_up = {
      {"vzctl", "create", "101", "--ostemplate", "busybox", "--ipadd", "10.78.30.101"},
      {"vzctl", "set", "101", "--ram", "1G", "--save"},
      {"vzctl", "start", "101", "--wait"},
      {"vzctl", "exec", "101",
       "vzload memory --grow " + memory + " --hold 100000 >/dev/null 2>&1 &"}};
  for (const auto& words : set_up) pair.run("n1", words);
  must(pair.stage().advance(seconds(3)));
  Figures figures;
  std::string here = "n1", there = "n2";
  for (int round = 0; round < rounds; ++round) {
    figures.bare.push_back(pair.bare_dump_and_restore(here));
    const auto told = nlohmann::json::parse(
        pair.run(here, {"vzmigrate", "--check", "--online", "-j", there, "101"}))["predicted"];
    figures.told_down.push_back(told["down_ms"].get<double>());
    figures.told_total.push_back(told["total_ms"].get<double>());
    const std::string said =
        pair.run(here, {"vzmigrate", "--online", "-t", "-r", "yes", there, "101"});
    figures.down.push_back(timing(said, "down in total"));
    figures.total.push_back(timing(said, "in total"));
    std::swap(here, there);
  }
  pair.run(here, {"vzctl", "stop", "101", "--fast"});
  pair.run(here, {"vzctl", "destroy", "101"});
  return figures;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) give_up("usage: compare_migration BIN-DIRECTORY [ROUNDS]");
  const int rounds = argc > 2 ? std::max(1, std::atoi(argv[2])) : 5;
  Pair pair(argv[1]);
  fmt::print(
      "| memory | down, ms | bare CRIU, ms | ratio | foretold down, ms | total, ms | foretold "
      "total, ms |\n"
      "|---|---|---|---|---|---|---|\n");
  for (const char* memory : {"4M", "64M", "256M"}) {
    const Figures found = measure(pair, memory, rounds);
    fmt::print("| {} | {:.0f} | {:.0f} | {:.2f} | {:.0f} | {:.0f} | {:.0f} |\n", memory,
               median(found.down), median(found.bare), median(found.down) / median(found.bare),
               median(found.told_down), median(found.total), median(found.told_total));
    std::fflush(stdout);
  }
}
