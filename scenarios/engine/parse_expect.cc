// Reading of `expect:` and of output patterns.
#include <array>

#include "scenarios/engine/parse_steps.h"
#include "scenarios/engine/pattern.h"

namespace twinhull::scenario {
namespace {

struct Counter {
  const char* key;
  CounterCheck::What what;
  RangeUnit unit;
};
constexpr std::array<Counter, 18> kCounters = {{
    {"memory_usage", CounterCheck::What::memory_usage, RangeUnit::bytes},
    {"memory_anonymous", CounterCheck::What::memory_anonymous, RangeUnit::bytes},
    {"swap", CounterCheck::What::swap, RangeUnit::bytes},
    {"oom_kills", CounterCheck::What::oom_kills, RangeUnit::count},
    {"limit_hits", CounterCheck::What::limit_hits, RangeUnit::count},
    {"pids", CounterCheck::What::pids, RangeUnit::count},
    {"pids_refused", CounterCheck::What::pids_refused, RangeUnit::count},
    {"received", CounterCheck::What::received, RangeUnit::bytes},
    {"sent", CounterCheck::What::sent, RangeUnit::bytes},
    {"dropped", CounterCheck::What::dropped, RangeUnit::count},
    {"io_read", CounterCheck::What::io_read, RangeUnit::bytes},
    {"io_written", CounterCheck::What::io_written, RangeUnit::bytes},
    {"io_reads", CounterCheck::What::io_reads, RangeUnit::count},
    {"io_writes", CounterCheck::What::io_writes, RangeUnit::count},
    {"disk_bytes", CounterCheck::What::disk_bytes, RangeUnit::bytes},
    {"disk_inodes", CounterCheck::What::disk_inodes, RangeUnit::count},
    {"disk_limit", CounterCheck::What::disk_limit, RangeUnit::bytes},
    {"inode_limit", CounterCheck::What::inode_limit, RangeUnit::count},
}};

std::optional<ContainerCheck::State> state_of(const std::string& word) {
  using State = ContainerCheck::State;
  if (word == "running") return State::running;
  if (word == "stopped") return State::stopped;
  if (word == "mounted") return State::mounted;
  if (word == "paused") return State::paused;
  if (word == "suspended") return State::suspended;
  if (word == "absent") return State::absent;
  return std::nullopt;
}

/// {101: 2, 102: 1}
std::map<CtId, std::int64_t> read_weights(const ReadContext& context, const TreeNode& node) {
  std::map<CtId, std::int64_t> out;
  if (node.kind != TreeNode::Kind::mapping) {
    context.problem(node.mark, "containers and their figures are wanted: {101: 2, 102: 1}");
    return out;
  }
  for (std::size_t i = 0; i < node.keys.size(); ++i) {
    const auto id = read_container(context, node.key_marks[i], node.keys[i]);
    const auto figure = parse_thousandths(node.items[i].text);
    if (!figure || node.items[i].kind != TreeNode::Kind::scalar)
      context.problem(node.items[i].mark,
                      "a number is wanted for container " + excerpt(node.keys[i], 20));
    else if (id)
      out[*id] = *figure;
  }
  return out;
}

class CheckReader {
 public:
  CheckReader(const ReadContext& context, const TreeNode& node, const std::string& default_node,
              ExpectStep& out)
      : context_(context), reader_(context, node, "an expectation"), out_(out) {
    node_ = reader_.has("node") ? reader_.node() : default_node;
  }

  void read() {
    if (!reader_.valid()) return;
    const std::size_t before = out_.checks.size();
    if (reader_.has("cpu_shares") || reader_.has("cpu_percent"))
      cpu();
    else if (reader_.has("file"))
      file();
    else if (reader_.has("recorded"))
      recorded();
    else
      container();
    reader_.finish();
    if (out_.checks.size() == before && context_.problems.empty())
      context_.problem(reader_.mark(), "this expectation checks nothing",
                       "state, only_on, downtime, file, cpu_shares, cpu_percent, recorded or a "
                       "counter is wanted");
  }

 private:
  void add(Check check) { out_.checks.push_back({reader_.mark(), std::move(check)}); }

  void cpu() {
    CpuShareCheck check;
    check.node = node_;
    if (const TreeNode* shares = reader_.any("cpu_shares"))
      check.weights = read_weights(context_, *shares);
    if (const TreeNode* percents = reader_.any("cpu_percent"))
      check.percents = read_weights(context_, *percents);
    reader_.require("over");
    check.over = reader_.duration("over").value_or(Duration(0));
    if (const auto tolerance = reader_.thousandths("tolerance")) check.tolerance = *tolerance;
    check.real_tolerance = reader_.thousandths("real_tolerance");
    check.throttled_periods = reader_.range("throttled_periods", RangeUnit::count);
    add(std::move(check));
  }

  void file() {
    FileCheck check;
    check.node = node_;
    check.path = reader_.required_text("file");
    check.container = reader_.container("container");
    check.absent = reader_.boolean("absent").value_or(false);
    check.content = read_output_keys(context_, reader_);
    if (check.path.empty() || check.path.front() != '/')
      context_.problem(reader_.mark_of("file"), "a file's path must begin with '/'");
    add(std::move(check));
  }

  void recorded() {
    RecordCheck check;
    const std::string where = reader_.required_text("recorded");
    if (where != "all") {
      check_node_name(context_, reader_.mark_of("recorded"), where);
      check.node = where;
    }
    if (const TreeNode* delivered = reader_.any("delivered_percent"); delivered != nullptr)
      check.delivered = reader_.range("delivered_percent", RangeUnit::count);
    check.throttled = reader_.range("throttled_containers", RangeUnit::count);
    add(std::move(check));
  }

  void container() {
    reader_.require("container");
    const auto id = reader_.container("container");
    const auto state =
        reader_.choice("state", {"running", "stopped", "mounted", "paused", "suspended", "absent"});
    const auto only_on = reader_.text("only_on");
    if (only_on) check_node_name(context_, reader_.mark_of("only_on"), *only_on);
    const auto downtime = reader_.range("downtime", RangeUnit::duration);
    std::vector<CounterCheck> counters;
    for (const Counter& counter : kCounters)
      if (const auto range = reader_.range(counter.key, counter.unit))
        counters.push_back({counter.what, id.value_or(CtId{}), node_, *range});
    if (!id) return;
    if (state) add(ContainerCheck{*id, *state_of(*state), node_});
    if (only_on) add(OnlyOnCheck{*id, *only_on});
    if (downtime) add(DowntimeCheck{*id, *downtime});
    for (CounterCheck& counter : counters) add(std::move(counter));
  }

  const ReadContext& context_;
  MapReader reader_;
  ExpectStep& out_;
  std::string node_;
};

}  // namespace

OutputCheck read_output_keys(const ReadContext& context, MapReader& reader) {
  OutputCheck check;
  check.contains = reader.texts("contains");
  check.lacks = reader.texts("lacks");
  check.matches = reader.texts("matches");
  if (reader.has("lines")) {
    check.lines.emplace();
    for (const std::string& line : reader.texts("lines"))
      for (std::string& part : squeezed_lines(line)) check.lines->push_back(std::move(part));
  }
  check.empty = reader.boolean("empty").value_or(false);
  for (const std::string& pattern : check.matches)
    if (const auto wrong = pattern_problem(pattern))
      context.problem(reader.mark_of("matches"), "not a regular expression: " + *wrong);
  return check;
}

OutputCheck read_output(const ReadContext& context, const TreeNode& node, const std::string& what) {
  if (node.kind != TreeNode::Kind::mapping) {
    OutputCheck check;
    if (node.kind == TreeNode::Kind::scalar) check.contains.push_back(node.text);
    for (const TreeNode& item : node.items) {
      if (item.kind == TreeNode::Kind::scalar)
        check.contains.push_back(item.text);
      else
        context.problem(item.mark, "an item of " + what + " must be text");
    }
    return check;
  }
  MapReader reader(context, node, what);
  OutputCheck check = read_output_keys(context, reader);
  reader.finish();
  return check;
}

ExpectStep read_expect(const ReadContext& context, const TreeNode& node,
                       const std::string& default_node) {
  ExpectStep step;
  if (node.kind == TreeNode::Kind::mapping) {
    CheckReader(context, node, default_node, step).read();
  } else if (node.kind == TreeNode::Kind::sequence && !node.items.empty()) {
    for (const TreeNode& item : node.items) CheckReader(context, item, default_node, step).read();
  } else {
    context.problem(node.mark, "'expect' must be one expectation or a list of them");
  }
  return step;
}

}  // namespace twinhull::scenario
