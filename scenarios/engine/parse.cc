// Reading of a whole scenario file.
#include <algorithm>

#include "scenarios/engine/expand.h"
#include "scenarios/engine/parse_steps.h"
#include "scenarios/engine/reader.h"
#include "scenarios/engine/scenario.h"

namespace twinhull::scenario {
namespace {

constexpr std::size_t kMostNodes = 64;

bool plain_name(std::string_view name, std::size_t most) {
  if (name.empty() || name.size() > most) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

/// "6.1", "6.12.48-amd64": a number, a point and another number, and what belongs to them.
bool begins_with_version(std::string_view release) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  const std::size_t point = std::min(release.find_first_not_of("0123456789"), release.size());
  return point != 0 && point + 1 < release.size() && release[point] == '.' && digit(release[point + 1]);
}

class ScenarioReader {
 public:
  ScenarioReader(ReadContext& context, const DataReader& data, const TreeNode& root)
      : context_(context), data_(data), reader_(context, root, "a scenario") {}

  Scenario read() {
    scenario_.file = context_.file;
    if (!reader_.valid()) return scenario_;
    head();
    nodes();
    links();
    templates();
    steps();
    reader_.finish();
    return std::move(scenario_);
  }

 private:
  void head() {
    scenario_.name = reader_.required_text("name");
    if (!plain_name(scenario_.name, 64))
      context_.problem(reader_.mark_of("name"),
                       "a scenario's name is 1 to 64 lower-case letters, digits and '-'");
    scenario_.description = reader_.text("description").value_or("");
    reader_.require("area");
    scenario_.area = reader_.choice("area", areas()).value_or("");
    scenario_.portable = reader_.boolean("portable").value_or(false);
    scenario_.explore = reader_.boolean("explore").value_or(false);
    needs();
    seeds();
    for (const std::string& text : reader_.texts("twins"))
      if (const auto id = read_container(context_, reader_.mark_of("twins"), text))
        scenario_.twins.push_back(*id);
  }

  void needs() {
    std::vector<std::string> known;
    for (std::size_t i = 0; i < kFeatureCount; ++i)
      known.emplace_back(to_string(static_cast<Feature>(i)));
    for (const std::string& text : reader_.texts("needs")) {
      const auto found = std::find(known.begin(), known.end(), text);
      if (found == known.end())
        context_.problem(reader_.mark_of("needs"), "'needs' cannot be '" + excerpt(text, 40) + "'",
                         ReadContext::suggestion(text, known));
      else
        scenario_.needs.push_back(static_cast<Feature>(found - known.begin()));
    }
  }

  void seeds() {
    const TreeNode* value = reader_.any("seeds");
    if (value == nullptr) return;
    scenario_.seeds.clear();
    for (const std::string& text : reader_.texts("seeds")) {
      const auto range = parse_range(text, RangeUnit::count);
      if (!range || range->least < 0 || range->most == INT64_MAX ||
          range->most - range->least >= 1000) {
        context_.problem(value->mark, "'seeds' is a list of numbers or ranges such as 1 .. 5",
                         "at most 1000 seeds");
        continue;
      }
      for (std::int64_t seed = range->least; seed <= range->most && scenario_.seeds.size() < 1000;
           ++seed)
        scenario_.seeds.push_back(static_cast<std::uint64_t>(seed));
    }
    if (scenario_.seeds.empty()) scenario_.seeds = {1};
  }

  /// The items of a list, each read by `one`.
  template <typename One>
  void list(const std::string& key, One one) {
    const TreeNode* value = reader_.any(key);
    if (value == nullptr) return;
    if (value->kind != TreeNode::Kind::sequence) {
      context_.problem(value->mark, "'" + key + "' must be a list");
      return;
    }
    for (const TreeNode& item : value->items) one(item);
  }

  void nodes() {
    list("nodes", [&](const TreeNode& item) {
      NodePlan plan;
      if (item.kind == TreeNode::Kind::scalar) {
        plan.name = item.text;
      } else {
        MapReader reader(context_, item, "a node");
        plan.name = reader.required_text("name");
        plan.cpus = static_cast<std::uint32_t>(reader.integer("cpus", 1, 1024).value_or(plan.cpus));
        plan.cpu_mhz = static_cast<std::uint64_t>(
            reader.integer("mhz", 1, 100'000).value_or(static_cast<std::int64_t>(plan.cpu_mhz)));
        plan.cpu_features = reader.texts("cpu_features");
        std::ranges::sort(plan.cpu_features);
        plan.memory = reader.bytes("memory").value_or(plan.memory);
        plan.swap = reader.bytes("swap").value_or(plan.swap);
        plan.disk = reader.bytes("disk").value_or(plan.disk);
        plan.inodes = Inodes{static_cast<std::uint64_t>(
            reader.integer("inodes", 100, 1'000'000'000'000).value_or(10'000'000))};
        if (const auto rate = reader.bytes("disk_bandwidth")) plan.disk_bandwidth = {rate->value};
        plan.disk_iops = static_cast<std::uint64_t>(
            reader.integer("disk_iops", 1, 1'000'000'000)
                .value_or(static_cast<std::int64_t>(plan.disk_iops)));
        plan.memory_nodes = static_cast<std::uint32_t>(
            reader.integer("memory_nodes", 1, plan.cpus).value_or(plan.memory_nodes));
        plan.kernel = reader.text("kernel").value_or("");
        if (!plan.kernel.empty() && !begins_with_version(plan.kernel))
          context_.problem(item.mark, "'kernel' begins with a version, such as 6.1");
        plan.lazy_pages = reader.boolean("lazy_pages").value_or(true);
        reader.finish();
      }
      if (!plain_name(plan.name, 32))
        context_.problem(item.mark, "a node's name is 1 to 32 lower-case letters, digits and '-'");
      if (scenario_.node(plan.name) != nullptr)
        context_.problem(item.mark, "there are two nodes '" + plan.name + "'");
      if (scenario_.nodes.size() == kMostNodes)
        context_.problem(item.mark, "more than " + std::to_string(kMostNodes) + " nodes");
      if (scenario_.nodes.size() < kMostNodes) scenario_.nodes.push_back(std::move(plan));
    });
    if (scenario_.nodes.empty()) {
      NodePlan plan;
      plan.name = "n1";
      scenario_.nodes.push_back(plan);
    }
    for (const NodePlan& plan : scenario_.nodes) context_.node_names.push_back(plan.name);
  }

  void links() {
    list("links", [&](const TreeNode& item) {
      MapReader reader(context_, item, "a link");
      LinkPlan plan;
      reader.require("between");
      const auto ends = reader.texts("between");
      if (ends.size() == 2 && ends[0] != ends[1]) {
        for (const std::string& end : ends)
          check_node_name(context_, reader.mark_of("between"), end);
        plan.a = ends[0];
        plan.b = ends[1];
      } else if (reader.valid()) {
        context_.problem(reader.mark_of("between"),
                         "'between' needs two different nodes: [n1, n2]");
      }
      if (const auto text = reader.text("bandwidth")) {
        if (const auto bits = parse_bits(*text); bits && bits->value > 0)
          plan.bandwidth = *bits;
        else
          context_.problem(reader.mark_of("bandwidth"),
                           "'bandwidth' must be a rate, not '" + excerpt(*text, 40) + "'",
                           "a number with bit, Kbit, Mbit or Gbit: 100Mbit");
      }
      plan.latency = reader.duration("latency").value_or(plan.latency);
      if (const auto loss = reader.thousandths("loss")) {
        if (*loss <= 100'000)
          plan.loss_per_million = static_cast<std::uint32_t>(*loss * 10);
        else
          context_.problem(reader.mark_of("loss"), "'loss' is a percentage: 0.1%");
      }
      reader.finish();
      scenario_.links.push_back(std::move(plan));
    });
  }

  void templates() {
    list("templates", [&](const TreeNode& item) {
      TemplatePlan plan;
      if (item.kind == TreeNode::Kind::scalar) {
        plan.name = item.text;
      } else {
        MapReader reader(context_, item, "a template");
        plan.name = reader.required_text("name");
        plan.bulk = reader.bytes("bulk").value_or(plan.bulk);
        plan.nodes = reader.texts("nodes");
        for (const std::string& node : plan.nodes)
          check_node_name(context_, reader.mark_of("nodes"), node);
        if (reader.choice("kind", {"busybox", "debian"}).value_or("busybox") == "debian")
          plan.kind = TemplatePlan::Kind::debian;
        reader.finish();
      }
      if (plan.name.starts_with("debian")) plan.kind = TemplatePlan::Kind::debian;
      if (plan.name.empty() || plan.name.size() > 64 || plan.name.front() == '.' ||
          plan.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.") !=
              std::string::npos)
        context_.problem(item.mark,
                         "a template's name is lower-case letters, digits, '-', '_', '.'");
      scenario_.templates.push_back(std::move(plan));
    });
    if (!reader_.has("templates")) {
      TemplatePlan plan;
      plan.name = "busybox";
      scenario_.templates.push_back(std::move(plan));
    }
  }

  void steps() {
    const TreeNode* value = reader_.any("steps");
    reader_.require("steps");
    if (value == nullptr) return;
    if (value->kind != TreeNode::Kind::sequence || value->items.empty()) {
      context_.problem(value->mark, "'steps' must be a list of at least one step");
      return;
    }
    StepContext step_context{context_, data_, {}};
    for (const TreeNode& node : expand_steps(context_, *value)) {
      if (context_.problems.size() > 50) return;
      if (auto step = read_step(step_context, node)) scenario_.steps.push_back(std::move(*step));
    }
  }

  ReadContext& context_;
  const DataReader& data_;
  MapReader reader_;
  Scenario scenario_;
};

}  // namespace

const std::vector<std::string>& areas() {
  static const std::vector<std::string> names = {"lifecycle", "scheduler", "memory",    "quota",
                                                 "io",        "network",   "migration", "config"};
  return names;
}

const NodePlan* Scenario::node(std::string_view node_name) const {
  for (const NodePlan& plan : nodes)
    if (plan.name == node_name) return &plan;
  return nullptr;
}

std::optional<Scenario> parse_scenario(std::string_view text, const std::string& file,
                                       const DataReader& data, Diagnostics& problems) {
  const auto tree = read_tree(text, file, problems);
  if (!tree) return std::nullopt;
  Diagnostics own;
  ReadContext context{file, own, {}};
  Scenario scenario = ScenarioReader(context, data, *tree).read();
  problems.insert(problems.end(), own.begin(), own.end());
  if (!own.empty()) return std::nullopt;
  return scenario;
}

}  // namespace twinhull::scenario
