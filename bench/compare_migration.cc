// Live migration between two real nodes on this machine, beside a bare dump and restore of the same
// container by CRIU with the same flags, in one run; and beside what `vzmigrate --check` foretold.
// Prints two Markdown tables: the whole, and where the time without the container goes. Needs root.
//   compare_migration BIN-DIRECTORY [TIMES [WAY…]]
// A WAY is MEMORY[/CHANGED][+OPTION…]: how much the container holds, how much of it changes a second
// (everywhere alike), and options of vzmigrate: 64M, 32M/2M, 64M+lazy, 64M/2M+noiter+lazy. Without one:
// three sizes, and the same with +lazy where the kernel can let memory follow.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "runtime/container/context.h"
#include "runtime/container/dump.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/checkpoints.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/links.h"
#include "runtime/network/venet.h"
#include "tools/stages/linux_stage.h"

namespace {

using namespace twinhull;

/// Lines of the timing table that are parts of the time without the container.
constexpr const char* kParts[] = {"suspend", "copy of the dump", "what had changed in the area",
                                  "undump and resume"};

struct BareFigures {
  double dump = 0, restore = 0;
};

struct Figures {
  std::vector<double> down, total, told_down, told_total, bare, bare_dump, bare_restore, followed;
  std::vector<double> down_error, total_error;  ///< of each move, of what was measured
  std::map<std::string, std::vector<double>> parts;
};

/// What is moved, and how.
struct Way {
  std::string text, memory, changed;
  std::vector<std::string> options;
};

Way parse_way(const std::string& text) {
  Way way{.text = text, .memory = {}, .changed = {}, .options = {}};
  std::string load = text.substr(0, text.find('+'));
  for (std::size_t at = load.size(); at < text.size();) {
    const std::size_t end = std::min(text.find('+', at + 1), text.size());
    way.options.push_back("--" + text.substr(at + 1, end - at - 1));
    at = end;
  }
  const std::size_t slash = std::min(load.find('/'), load.size());
  way.memory = load.substr(0, slash);
  if (slash < load.size()) way.changed = load.substr(slash + 1);
  return way;
}

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
  BareFigures bare_dump_and_restore(const std::string& node) {
    Kernel& kernel = stage_->kernel(node);
    const CtId id{101};
    const std::string images = stage_->layout(node).data_directory() + "/bare";
    must(kernel.files().remove_tree(images));
    must(kernel.files().make_directory(images));
    const auto init = must(kernel.processes().find(container::label_of(id)));
    if (!init) give_up("CT 101 is not running");
    const std::vector<VethEnds> devices = {{network::kContainerDevice, network::node_device(id)}};
    const Duration begun = stage_->now();
    DumpSpec spec;
    spec.images = images;
    spec.devices = devices;
    spec.durable = false;  // criu itself waits for no disk either
    must(kernel.checkpoints().dump(*init, spec));
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
    const auto milli = [](Duration length) {
      return static_cast<double>(length / microseconds(1)) / 1000;
    };
    return {milli(dumped), milli(restored)};
  }

 private:
  scenario::Scenario plan_;
  std::unique_ptr<scenario::Stage> stage_;
};

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

/// Milliseconds of a line of the timing table that begins so; what took no time has none.
double timing(const std::string& text, const std::string& line) {
  const auto at = text.find("\t" + line);
  if (at == std::string::npos) return 0;
  return std::strtod(text.c_str() + text.find_first_of("0123456789", at), nullptr) * 1000;
}

double error_of(double told, double measured) {
  return std::abs(told - measured) / measured * 100;
}

Figures measure(Pair& pair, const Way& way, int times) {
  std::string load = "vzload memory --grow " + way.memory + " --hold 100000";
  if (!way.changed.empty()) load += " --dirty " + way.changed + " --pattern uniform";
  const std::vector<std::vector<std::string>> set_up = {
      {"vzctl", "create", "101", "--ostemplate", "busybox", "--ipadd", "10.78.30.101"},
      {"vzctl", "set", "101", "--ram", "1G", "--save"},
      {"vzctl", "start", "101", "--wait"},
      {"vzctl", "exec", "101", load + " >/dev/null 2>&1 &"}};
  for (const auto& words : set_up) pair.run("n1", words);
  must(pair.stage().advance(seconds(5)));
  const auto with = [&](std::vector<std::string> words, const std::string& there) {
    words.insert(words.end(), way.options.begin(), way.options.end());
    words.insert(words.end(), {there, "101"});
    return words;
  };
  Figures figures;
  std::string here = "n1", there = "n2";
  for (int round = 0; round < times; ++round) {
    const BareFigures bare = pair.bare_dump_and_restore(here);
    figures.bare.push_back(bare.dump + bare.restore);
    figures.bare_dump.push_back(bare.dump);
    figures.bare_restore.push_back(bare.restore);
    const auto verdict = nlohmann::json::parse(
        pair.run(here, with({"vzmigrate", "--check", "--online", "-j"}, there)));
    const auto& told = verdict["predicted"];
    figures.told_down.push_back(told["down_ms"].get<double>());
    figures.told_total.push_back(told["total_ms"].get<double>());
    const std::string said = pair.run(here, with({"vzmigrate", "--online", "-t", "-r", "yes"}, there));
    figures.down.push_back(timing(said, "down in total"));
    figures.total.push_back(timing(said, "in total"));
    if (figures.down.back() <= 0 || figures.total.back() <= 0) give_up("no times in: " + said);
    figures.followed.push_back(timing(said, "memory that followed"));
    for (const char* part : kParts) figures.parts[part].push_back(timing(said, part));
    figures.down_error.push_back(error_of(figures.told_down.back(), figures.down.back()));
    figures.total_error.push_back(error_of(figures.told_total.back(), figures.total.back()));
    if (std::getenv("COMPARE_MIGRATION_TABLES") != nullptr)
      fmt::print(stderr, "{}: foretold {}\npace {}, {} B/s\n{}\n", way.text, told.dump(),
                 verdict["pace"].dump(), verdict["bandwidth_bytes_per_s"].dump(), said);
    std::swap(here, there);
  }
  pair.run(here, {"vzctl", "stop", "101", "--fast"});
  pair.run(here, {"vzctl", "destroy", "101"});
  return figures;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) give_up("usage: compare_migration BIN-DIRECTORY [TIMES [WAY...]]");
  const int times = argc > 2 ? std::max(1, std::atoi(argv[2])) : 5;
  std::vector<std::string> ways(argv + std::min(argc, 3), argv + argc);
  Pair pair(argv[1]);
  if (ways.empty()) {
    ways = {"4M", "64M", "256M"};
    if (must(pair.stage().kernel("n1").host().supports(Feature::lazy_pages)).available)
      ways.insert(ways.end(), {"4M+lazy", "64M+lazy", "256M+lazy"});
  }
  fmt::print(
      "| container | down, ms | bare CRIU, ms | ratio | foretold down, ms | error | total, ms | foretold "
      "total, ms | error | memory follows for, ms |\n"
      "|---|---|---|---|---|---|---|---|---|---|\n");
  std::string parts =
      "| container | dump, sent meanwhile | copy of a lazy dump | last files | undump and resume | bare dump | "
      "bare restore |\n"
      "|---|---|---|---|---|---|---|\n";
  for (const std::string& text : ways) {
    Figures found = measure(pair, parse_way(text), times);
    fmt::print("| {} | {:.0f} | {:.0f} | {:.2f} | {:.0f} | {:.0f} % | {:.0f} | {:.0f} | {:.0f} % | {:.0f} |\n",
               text, median(found.down), median(found.bare), median(found.down) / median(found.bare),
               median(found.told_down), median(found.down_error), median(found.total),
               median(found.told_total), median(found.total_error), median(found.followed));
    std::fflush(stdout);
    parts += fmt::format("| {}", text);
    for (const char* part : kParts) parts += fmt::format(" | {:.0f}", median(found.parts[part]));
    parts += fmt::format(" | {:.0f} | {:.0f} |\n", median(found.bare_dump), median(found.bare_restore));
  }
  fmt::print("\n{}", parts);
}
