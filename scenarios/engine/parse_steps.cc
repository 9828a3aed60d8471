// Reading of steps.
#include "scenarios/engine/parse_steps.h"

#include <algorithm>

#include "scenarios/engine/trace_file.h"

namespace twinhull::scenario {
namespace {

const std::vector<std::string>& programs() {
  static const std::vector<std::string> names = {
      "vzctl",      "vzlist",        "vzmigrate", "vzubc",      "vzsplit",
      "vzcfgscale", "vzcfgvalidate", "vzasysd",   "vzstat",     "vzcfgconvert",
      "vzcpucheck", "vzmemcheck",    "vzcalc",    "vzcheckovr", "vzdiskcheck",
      "vzmlocal",   "vzmtemplate",   "vzmpipe",   "vzmsetkey",  "vzhwcalc",
      "vzp2v",      "vz"};
  return names;
}

class StepReader {
 public:
  StepReader(StepContext& context, const TreeNode& node)
      : context_(context), read_(context.read), node_(node), reader_(read_, node, "a step") {}

  std::optional<Step> read() {
    if (!reader_.valid()) return std::nullopt;
    static const std::vector<std::string> actions = {"run",  "start",  "wait",  "sleep",
                                                     "put",  "remove", "write", "forget",
                                                     "load", "record", "fault", "expect"};
    std::string action;
    for (const std::string& name : actions) {
      if (!reader_.has(name)) continue;
      if (!action.empty()) {
        read_.problem(reader_.mark_of(name), "a step does one thing, but this one has '" + action +
                                                 "' and '" + name + "'");
        return std::nullopt;
      }
      action = name;
    }
    if (action.empty()) {
      const std::string first = node_.keys.empty() ? "" : node_.keys.front();
      read_.problem(node_.mark, "a step needs one action", ReadContext::suggestion(first, actions));
      return std::nullopt;
    }
    Step step;
    step.mark = node_.mark;
    step.at = reader_.duration("at");
    step.after = reader_.duration("after");
    const auto title = reader_.text("step");
    if (action == "run" || action == "start")
      step.action = run(action);
    else if (action == "wait")
      step.action = wait();
    else if (action == "sleep")
      step.action = SleepStep{reader_.duration("sleep").value_or(Duration(0))};
    else if (action == "put" || action == "remove")
      step.action = put(action);
    else if (action == "write")
      step.action = write();
    else if (action == "forget")
      step.action = ForgetStep{reader_.container("forget").value_or(CtId{})};
    else if (action == "load")
      step.action = load();
    else if (action == "record")
      step.action = record();
    else if (action == "fault")
      step.action = fault();
    else
      step.action = read_expect(read_, *reader_.any("expect"), reader_.node());
    reader_.finish();
    const TreeNode* value = node_.find(action);
    step.title = title.value_or(action + (value->kind == TreeNode::Kind::scalar
                                              ? " " + excerpt(squeeze(value->text), 100)
                                              : ""));
    return step;
  }

 private:
  EndCheck end() {
    EndCheck check;
    if (const TreeNode* exits = reader_.any("exit")) {
      check.exits.clear();
      for (const std::string& text : reader_.texts("exit")) {
        const auto code = parse_integer(text);
        if (code && *code >= 0 && *code <= 255)
          check.exits.push_back(static_cast<int>(*code));
        else
          read_.problem(exits->mark, "an exit code is a number from 0 to 255");
      }
      if (check.exits.empty()) read_.problem(exits->mark, "'exit' needs at least one code");
    }
    if (const TreeNode* out = reader_.any("stdout")) check.out = read_output(read_, *out, "stdout");
    if (const TreeNode* error = reader_.any("stderr"))
      check.error = read_output(read_, *error, "stderr");
    check.timeout = reader_.duration("timeout");
    check.elapsed = reader_.range("elapsed", RangeUnit::duration);
    return check;
  }

  void started(const std::string& id, Mark mark) {
    if (!context_.started.insert(id).second)
      read_.problem(mark, "a command with the id '" + excerpt(id, 40) + "' was started before");
  }

  RunStep run(const std::string& action) {
    RunStep step;
    step.background = action == "start";
    step.line = squeeze(reader_.required_text(action));
    const std::string text = reader_.text(action).value_or("");
    const auto words = split_words(text);
    if (!words)
      read_.problem(reader_.mark_of(action), "an open quote in the command line");
    else
      step.argv = *words;
    const auto& known = programs();
    const std::string first = step.argv.empty() ? "" : step.argv.front();
    if (std::find(known.begin(), known.end(), first) == known.end())
      read_.problem(reader_.mark_of(action), "'" + excerpt(first, 40) + "' is no program of ours",
                    ReadContext::suggestion(first, known));
    step.node = reader_.node();
    step.input = reader_.text("input").value_or("");
    if (step.background) {
      step.id = reader_.required_text("id");
      started(step.id, reader_.mark_of("id"));
    } else {
      step.end = end();
    }
    return step;
  }

  WaitStep wait() {
    WaitStep step;
    step.id = reader_.required_text("wait");
    known_id(step.id, "wait");
    step.end = end();
    return step;
  }

  void known_id(const std::string& id, const std::string& key) {
    if (context_.started.contains(id)) return;
    read_.problem(reader_.mark_of(key),
                  "no command with the id '" + excerpt(id, 40) + "' was started before",
                  ReadContext::suggestion(id, {context_.started.begin(), context_.started.end()}));
  }

  std::string path(const std::string& key) {
    std::string value = reader_.required_text(key);
    if (value.empty() || value.front() != '/')
      read_.problem(reader_.mark_of(key), "a path must begin with '/'");
    return value;
  }

  PutStep put(const std::string& action) {
    PutStep step;
    step.remove = action == "remove";
    step.path = path(action);
    step.node = reader_.node();
    step.container = reader_.container("container");
    if (step.remove) return step;
    step.content = reader_.required_text("content");
    if (const auto mode = reader_.text("mode")) {
      unsigned value = 0;
      bool good = !mode->empty() && mode->size() <= 4;
      for (const char c : *mode) {
        good = good && c >= '0' && c <= '7';
        value = value * 8 + static_cast<unsigned>(c - '0');
      }
      if (good)
        step.mode = value;
      else
        read_.problem(reader_.mark_of("mode"), "a mode is octal digits: 0755");
    }
    return step;
  }

  WriteStep write() {
    WriteStep step;
    step.path = path("write");
    step.node = reader_.node();
    reader_.require("container");
    step.container = reader_.container("container").value_or(CtId{});
    step.content = reader_.required_text("content");
    if (step.content.size() > 4096)
      read_.problem(reader_.mark_of("content"), "remembered data may be 4096 bytes long at most");
    return step;
  }

  LoadStep load() {
    LoadStep step;
    step.node = reader_.node();
    reader_.require("container");
    step.container = reader_.container("container").value_or(CtId{});
    step.id = reader_.text("id").value_or("load-" + step.container.text());
    started(step.id, reader_.mark_of("load"));
    const auto words = split_words(reader_.required_text("load"));
    if (!words || words->empty()) {
      read_.problem(reader_.mark_of("load"), "a vzload command is wanted",
                    "cpu --threads 2, memory --grow 64M, write FILE --bytes 1M, serve PORT, "
                    "send ADDRESS PORT, trace");
      return step;
    }
    step.argv = *words;
    static const std::vector<std::string> kinds = {"cpu",   "memory", "write",
                                                   "serve", "send",   "trace"};
    if (std::find(kinds.begin(), kinds.end(), step.argv[0]) == kinds.end())
      read_.problem(reader_.mark_of("load"),
                    "vzload has no load '" + excerpt(step.argv[0], 40) + "'",
                    ReadContext::suggestion(step.argv[0], kinds));
    if (step.argv[0] == "trace") trace(step);
    return step;
  }

  void trace(LoadStep& step) {
    const std::string file = reader_.required_text("file");
    const auto row = reader_.integer("row", 1, 1'000'000);
    reader_.require("row");
    step.trace_interval = reader_.duration("interval").value_or(seconds(300));
    step.trace_cpus = static_cast<std::uint32_t>(reader_.integer("cpus", 1, 1024).value_or(1));
    if (file.empty() || !row) return;
    if (file.front() == '/' || file.find("..") != std::string::npos) {
      read_.problem(reader_.mark_of("file"), "a trace file is named relative to scenarios/data");
      return;
    }
    auto values = trace_row(context_.data, file, static_cast<std::size_t>(*row));
    if (!values)
      read_.problem(reader_.mark_of("file"), values.error().detail, values.error().hint);
    else
      step.trace = std::move(*values);
  }

  RecordStep record() {
    RecordStep step;
    step.length = reader_.duration("record").value_or(Duration(0));
    step.every = reader_.duration("every").value_or(seconds(300));
    step.title = reader_.text("title").value_or("");
    if (step.every <= Duration(0) || step.length / std::max(step.every, Duration(1)) > 10'000)
      read_.problem(reader_.mark_of("record"), "at most 10000 samples can be recorded");
    return step;
  }

  FaultStep fault() {
    using Kind = FaultStep::Kind;
    static const std::vector<std::pair<std::string, Kind>> kinds = {
        {"power_off", Kind::power_off}, {"power_on", Kind::power_on},
        {"cut_link", Kind::cut_link},   {"mend_link", Kind::mend_link},
        {"fill_disk", Kind::fill_disk}, {"free_disk", Kind::free_disk},
        {"fail_call", Kind::fail_call}, {"power_cut_at", Kind::power_cut_at},
        {"kill_at", Kind::kill_at},     {"kill", Kind::kill},
        {"interrupt", Kind::interrupt}, {"clear", Kind::clear}};
    std::vector<std::string> names;
    for (const auto& kind : kinds) names.push_back(kind.first);
    FaultStep step;
    const auto word = reader_.choice("fault", names);
    if (!word) return step;
    for (const auto& kind : kinds)
      if (kind.first == *word) step.kind = kind.second;
    switch (step.kind) {
      case Kind::cut_link:
      case Kind::mend_link: {
        reader_.require("between");
        const auto ends = reader_.texts("between");
        if (ends.size() != 2) {
          read_.problem(reader_.mark_of("between"), "'between' needs two nodes: [n1, n2]");
          break;
        }
        for (const std::string& end : ends) check_node_name(read_, reader_.mark_of("between"), end);
        step.node = ends[0];
        step.peer = ends[1];
        break;
      }
      case Kind::kill:
      case Kind::interrupt:
        step.id = reader_.required_text("id");
        known_id(step.id, "id");
        break;
      case Kind::fill_disk:
        step.node = reader_.node();
        step.leave = reader_.bytes("leave").value_or(Bytes{0});
        break;
      case Kind::fail_call:
      case Kind::power_cut_at:
      case Kind::kill_at:
        step.node = reader_.node();
        step.call = reader_.text("call").value_or("");
        step.object = reader_.text("object").value_or("");
        step.nth = static_cast<std::uint64_t>(reader_.integer("nth", 1, 1'000'000).value_or(1));
        if (step.kind == Kind::fail_call) code(step);
        break;
      default: step.node = reader_.node();
    }
    return step;
  }

  void code(FaultStep& step) {
    reader_.require("code");
    const auto word = reader_.text("code");
    if (!word) return;
    if (const auto code = parse_error_code(*word))
      step.code = *code;
    else
      read_.problem(reader_.mark_of("code"), "'" + excerpt(*word, 40) + "' is no error code",
                    ReadContext::suggestion(
                        *word, {"no_space", "input_output", "busy", "no_memory", "quota_exceeded",
                                "timed_out", "not_supported", "not_permitted", "limit_exceeded",
                                "exists", "not_found", "failed", "interrupted"}));
  }

  StepContext& context_;
  const ReadContext& read_;
  const TreeNode& node_;
  MapReader reader_;
};

}  // namespace

std::optional<Step> read_step(StepContext& context, const TreeNode& node) {
  return StepReader(context, node).read();
}

}  // namespace twinhull::scenario
