// Builtins of the shell: those that change the shell itself.
#include <algorithm>
#include <charconv>

#include "backends/sim/programs/launch.h"
#include "backends/sim/programs/shell_machine.h"

namespace twinhull::sim {
namespace {

bool is_name(std::string_view text) {
  if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  });
}

int number_or(const std::vector<std::string>& words, std::size_t index, int otherwise) {
  if (index >= words.size()) return otherwise;
  int value = 0;
  const std::string& text = words[index];
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? value : 2;
}

}  // namespace

std::map<std::string, std::string> ShellMachine::exported() const {
  std::map<std::string, std::string> result;
  for (const auto& [name, variable] : scope_.variables) {
    if (variable.exported) result[name] = variable.value;
  }
  return result;
}

bool ShellMachine::assign(Run run, const std::string& name, std::string value) {
  if (value.size() > kMostText || scope_.variables.size() > 4096) {
    message(run, name + ": value or number of variables too large");
    return false;
  }
  const auto found = scope_.variables.find(name);
  if (found != scope_.variables.end() && found->second.read_only) {
    message(run, name + ": is read only");
    return false;
  }
  if (name == "PWD") return true;
  scope_.variables[name].value = std::move(value);
  return true;
}

int ShellMachine::builtin_set(const std::vector<std::string>& words) {
  std::size_t i = 1;
  for (; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--") {
      ++i;
      break;
    }
    if (word.size() < 2 || (word[0] != '-' && word[0] != '+')) break;
    for (char c : word.substr(1)) {
      if (c == 'e') scope_.stop_on_error = word[0] == '-';
      else if (c == 'u') scope_.refuse_unset = word[0] == '-';
      else if (c != 'x' && c != 'f' && c != 'o') return 2;
    }
    if (word[1] == 'o') ++i;
  }
  if (i < words.size() || (i > 1 && words[i - 1] == "--")) {
    scope_.parameters.resize(std::min<std::size_t>(scope_.parameters.size(), 1));
    if (scope_.parameters.empty()) scope_.parameters.emplace_back("sh");
    scope_.parameters.insert(scope_.parameters.end(),
                             words.begin() + static_cast<std::ptrdiff_t>(i), words.end());
  }
  return 0;
}

int ShellMachine::builtin_read(const std::vector<std::string>& words,
                               const ProcessStreams& streams) {
  std::vector<std::string> names;
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (words[i] == "-r") continue;
    if (!is_name(words[i])) return 2;
    names.push_back(words[i]);
  }
  if (names.empty()) names.emplace_back("REPLY");
  for (const std::string& name : names) scope_.variables[name].value.clear();
  if (!streams.in || streams.in->offset >= streams.in->text.size()) return 1;
  InputText& in = *streams.in;
  const std::size_t newline = in.text.find('\n', in.offset);
  const std::size_t end = std::min(newline, in.text.size());
  std::string_view line = std::string_view(in.text).substr(in.offset, end - in.offset);
  in.offset = std::min(end + 1, in.text.size());
  const auto trim = [&] {
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  };
  for (std::size_t i = 0; i < names.size(); ++i) {
    trim();
    const std::size_t stop =
        i + 1 == names.size() ? line.size() : std::min(line.find_first_of(" \t"), line.size());
    std::string value(line.substr(0, stop));
    line.remove_prefix(stop);
    while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.pop_back();
    if (value.size() > kMostText) return 2;
    scope_.variables[names[i]].value = std::move(value);
  }
  return newline == std::string::npos ? 1 : 0;
}

int ShellMachine::builtin_ulimit(Run run, const std::vector<std::string>& words,
                                 const ProcessStreams& streams) {
  const bool known = words.size() == 2 && (words[1] == "-n" || words[1] == "-Sn" || words[1] == "-Hn");
  if (!known) {
    message(run, "ulimit: only -n is known here");
    return 2;
  }
  const std::uint64_t most = run.table.open_files(run.process);
  const std::string text = most == kUnlimited ? "unlimited" : std::to_string(most);
  return run.table.write(run.process, streams.out, text + "\n") ? 0 : 1;
}

std::optional<int> ShellMachine::builtin_wait(Run run, const std::vector<std::string>& words) {
  if (words.size() < 2) {
    if (jobs_.empty()) return 0;
    waiting_jobs_ = true;
    waiting_job_ = 0;
    return 0;
  }
  const int inner = number_or(words, 1, 0);
  for (std::int32_t job : jobs_) {
    const SimProcess* process = run.table.find(job);
    if (process != nullptr && process->inner_pid == inner) {
      waiting_jobs_ = true;
      waiting_job_ = job;
      return 0;
    }
  }
  const auto ended = job_status_.find(last_job_);
  return ended == job_status_.end() ? 127 : ended->second;
}

std::optional<int> ShellMachine::builtin(Run run, const std::vector<std::string>& words,
                                         const ProcessStreams& streams, bool tested) {
  const std::string& name = words[0];
  if (name == ":" || name == "true") return 0;
  if (name == "false") return 1;
  if (name == "exit" || name == "return" || name == "break" || name == "continue") {
    if (name == "exit") {
      leave_to(run, number_or(words, 1, status_));
      return kHandled;
    }
    if (name == "return") {
      status_ = number_or(words, 1, status_) & 0xff;
      bool tested_call = tested;
      for (const ShellFrame& frame : frames_) {
        tested_call = tested_call || (frame.kind == ShellFrame::Kind::call && frame.tested);
      }
      end_frame_return(run);
      if (!ended_) after_command(run, tested_call);
      return kHandled;
    }
    int levels = std::max(1, number_or(words, 1, 1));
    std::size_t found = frames_.size();
    for (std::size_t i = frames_.size(); i-- > 0 && levels > 0;) {
      const ShellFrame::Kind kind = frames_[i].kind;
      if (kind == ShellFrame::Kind::loop) {
        found = i;
        --levels;
      } else if (kind != ShellFrame::Kind::redirect) {
        break;  // a loop outside a function or subshell is out of reach
      }
    }
    if (found == frames_.size()) return 0;
    while (frames_.size() > found + 1) pop(run);
    at_ = name == "break" ? frames_.back().resume : frames_.back().again;
    return 0;
  }
  if (name == "cd") {
    std::string target = words.size() > 1 ? words[1] : parameter(run, "HOME").value_or("/");
    if (!target.starts_with('/')) target = scope_.directory + "/" + target;
    // Collapse "." and "..": the shell's logical path.
    std::vector<std::string> parts;
    for (std::size_t at = 0; at < target.size();) {
      const std::size_t end = std::min(target.find('/', at), target.size());
      const std::string part = target.substr(at, end - at);
      if (part == "..") {
        if (!parts.empty()) parts.pop_back();
      } else if (!part.empty() && part != ".") {
        parts.push_back(part);
      }
      at = end + 1;
    }
    std::string clean;
    for (const std::string& part : parts) clean += "/" + part;
    if (clean.empty()) clean = "/";
    const auto info = run.table.view(run.process).stat_target(clean);
    if (!info || !*info || (*info)->kind != FileKind::directory) {
      message(run, "cd: can't cd to " + (words.size() > 1 ? words[1] : clean));
      return 1;
    }
    scope_.directory = clean;
    return 0;
  }
  if (name == "export" || name == "readonly" || name == "local") {
    for (std::size_t i = 1; i < words.size(); ++i) {
      const std::size_t equals = words[i].find('=');
      const std::string variable = words[i].substr(0, equals);
      if (variable == "-p") continue;
      if (!is_name(variable)) {
        message(run, name + ": " + variable + ": bad variable name");
        return 2;
      }
      if (equals != std::string::npos && !assign(run, variable, words[i].substr(equals + 1))) {
        return 2;
      }
      if (name == "export") scope_.variables[variable].exported = true;
      if (name == "readonly") scope_.variables[variable].read_only = true;
    }
    return 0;
  }
  if (name == "unset") {
    for (std::size_t i = 1; i < words.size(); ++i) {
      if (words[i] == "-f" || words[i] == "-v") continue;
      const auto found = scope_.variables.find(words[i]);
      if (found != scope_.variables.end() && found->second.read_only) return 1;
      scope_.variables.erase(words[i]);
      functions_.erase(words[i]);
    }
    return 0;
  }
  if (name == "shift") {
    const int count = number_or(words, 1, 1);
    const std::size_t there = scope_.parameters.empty() ? 0 : scope_.parameters.size() - 1;
    if (count < 0 || static_cast<std::size_t>(count) > there) return 1;
    scope_.parameters.erase(scope_.parameters.begin() + 1,
                            scope_.parameters.begin() + 1 + count);
    return 0;
  }
  if (name == "set") return builtin_set(words);
  if (name == "read") return builtin_read(words, streams);
  if (name == "wait") return builtin_wait(run, words);
  if (name == "ulimit") return builtin_ulimit(run, words, streams);
  if (name == "umask" || name == "trap") return 0;  // nothing here depends on them
  if (name == "eval") {
    std::string text;
    for (std::size_t i = 1; i < words.size(); ++i) text += (i > 1 ? " " : "") + words[i];
    if (!include(run, text, {})) return 2;
    return status_;
  }
  if (name == "." || name == "source") {
    if (words.size() < 2) return 2;
    const std::string path =
        words[1].starts_with('/') ? words[1] : scope_.directory + "/" + words[1];
    auto text = read_for(run.table, run.process, path);
    if (!text) {
      message(run, "can't open " + words[1] + ": " + reason_of(text.error()));
      leave_to(run, 2);  // a special builtin's error ends a script
      return 2;
    }
    if (!include(run, *text, {})) return 2;
    return status_;
  }
  if (name == "exec") {
    if (words.size() == 1) {
      streams_ = streams;  // `exec > file`: for the rest of the script
      return 0;
    }
    const Launched launched =
        launch(run.table, run.process, {words.begin() + 1, words.end()}, exported(),
               scope_.directory, streams);
    if (run.table.find(run.process.ref) == nullptr) {
      ended_ = true;
      return 0;
    }
    if (launched.child == 0) {
      leave_to(run, launched.status);
      return launched.status;
    }
    // The rest of the script is gone: the child's status becomes ours.
    frames_.clear();
    at_ = static_cast<std::uint32_t>(code_->code.size());
    waiting_ = launched.child;
    waiting_tested_ = true;
    return 0;
  }
  if (name == "command" || name == "type") {
    if (words.size() > 1 && (words[1] == "-v" || name == "type")) {
      const std::string& wanted = words.back();
      const Executable found = find_executable(run.table.view(run.process), wanted, exported(),
                                               scope_.directory);
      if (functions_.contains(wanted) || find_applet(wanted) != nullptr ||
          found.kind != Executable::Kind::missing) {
        static_cast<void>(run.table.write(run.process, streams.out,
                                          (found.path.empty() ? wanted : found.path) + "\n"));
        return 0;
      }
      return 127;
    }
    if (words.size() > 1) {
      return builtin(run, {words.begin() + 1, words.end()}, streams, tested);
    }
    return 0;
  }
  return std::nullopt;
}

}  // namespace twinhull::sim
