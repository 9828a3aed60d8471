#include "backends/sim/programs/shell_machine.h"

#include <algorithm>
#include <utility>

#include "backends/sim/programs/launch.h"
#include "backends/sim/programs/pattern.h"

namespace twinhull::sim {

ShellMachine::ShellMachine(std::shared_ptr<const ShellCode> code,
                           std::vector<std::string> parameters)
    : code_(std::move(code)) {
  scope_.parameters = std::move(parameters);
}

void ShellMachine::handle(ProcessModel& table, SimProcess& process, const ProcessEvent& event) {
  const Run now{table, process};
  if (ended_) return;
  switch (event.kind) {
    case ProcessEvent::Kind::start:
      if (started_) break;  // a background job: its parent gave it everything
      started_ = true;
      streams_ = process.streams;
      scope_.directory = process.directory;
      scope_.slots.resize(code_->slots);
      for (const auto& [name, value] : process.environment) {
        scope_.variables[name] = {value, true, false};
      }
      break;
    case ProcessEvent::Kind::cpu_done:
      if (!computing_) return;
      computing_ = false;
      table.demand_cpu(process, std::nullopt);
      break;
    case ProcessEvent::Kind::child:
      if (jobs_.erase(event.pid) > 0) {
        if (job_status_.size() < 1000) job_status_[event.pid] = event.status.shell_code();
        if (waiting_jobs_ && ((waiting_job_ == 0 && jobs_.empty()) || waiting_job_ == event.pid)) {
          status_ = waiting_job_ == 0 ? 0 : event.status.shell_code();
          waiting_jobs_ = false;
          break;
        }
        return;
      }
      if (event.pid != waiting_) return;
      waiting_ = 0;
      status_ = event.status.shell_code();
      after_command(now, waiting_tested_);
      if (ended_) return;
      break;
    default: return;
  }
  run(now);
}

void ShellMachine::run(Run run) {
  while (!ended_ && waiting_ == 0 && !waiting_jobs_ && !computing_) {
    if (++instructions_ >= 1000) {
      instructions_ = 0;
      const std::uint64_t doublings = std::min<std::uint64_t>(payments_++ / 64, 10);
      computing_ = true;
      run.table.demand_cpu(run.process,
                           CpuDemand{1, {kOneCpu}, milliseconds(std::int64_t{1} << doublings)});
      return;
    }
    if (!step(run)) return;
  }
}

void ShellMachine::message(Run run, const std::string& text) {
  // Where a message cannot be written there is nobody to tell.
  static_cast<void>(run.table.write(run.process, streams_.err, "sh: " + text + "\n"));
}

/// Ends the whole script: an error that a shell does not survive.
void ShellMachine::fail_script(Run run, const std::string& text, int status) {
  message(run, text);
  ended_ = true;
  run.table.finish(run.process, {false, status});
}

bool ShellMachine::push(Run run, ShellFrame frame) {
  if (frames_.size() >= kMostFrames) {
    fail_script(run, "calls are nested too deeply", 2);
    return false;
  }
  frame.streams = streams_;
  frames_.push_back(std::move(frame));
  return true;
}

void ShellMachine::pop(Run /*run*/) {
  ShellFrame frame = std::move(frames_.back());
  frames_.pop_back();
  streams_ = std::move(frame.streams);
  if (frame.scope) scope_ = std::move(*frame.scope);
  if (frame.kind == ShellFrame::Kind::call) scope_.parameters = std::move(frame.values);
}

void ShellMachine::leave_to(Run run, int status) {
  status_ = status & 0xff;
  while (!frames_.empty()) {
    const ShellFrame& frame = frames_.back();
    if (frame.kind == ShellFrame::Kind::call || frame.kind == ShellFrame::Kind::source) {
      code_ = frame.code;  // a frame further out belongs to that code
    } else if (frame.kind == ShellFrame::Kind::subshell ||
               frame.kind == ShellFrame::Kind::capture || frame.kind == ShellFrame::Kind::pipe) {
      at_ = frame.resume;  // the closing instruction pops the frame
      return;
    }
    pop(run);
  }
  ended_ = true;
  run.table.finish(run.process, {false, status_});
}

void ShellMachine::after_command(Run run, bool tested) {
  if (status_ == 0 || !scope_.stop_on_error || tested) return;
  for (const ShellFrame& frame : frames_) {
    if (frame.kind == ShellFrame::Kind::call && frame.tested) return;
  }
  leave_to(run, status_);
}

/// Ends a function, an eval or a sourced file.
void ShellMachine::end_frame_return(Run run) {
  while (!frames_.empty()) {
    const ShellFrame::Kind kind = frames_.back().kind;
    if (kind == ShellFrame::Kind::call || kind == ShellFrame::Kind::source) {
      code_ = frames_.back().code;
      at_ = frames_.back().resume;
      pop(run);
      return;
    }
    if (kind == ShellFrame::Kind::subshell || kind == ShellFrame::Kind::capture ||
        kind == ShellFrame::Kind::pipe) {
      return leave_to(run, status_);  // return inside ( ) ends the subshell
    }
    pop(run);
  }
  leave_to(run, status_);
}

bool ShellMachine::call(Run run, const ShellFunction& function, std::vector<std::string> words,
                        bool tested) {
  ShellFrame frame;
  frame.kind = ShellFrame::Kind::call;
  frame.code = code_;
  frame.resume = at_;
  frame.tested = tested;
  frame.values = scope_.parameters;
  if (!push(run, std::move(frame))) return false;
  if (!words.empty() && !scope_.parameters.empty()) words[0] = scope_.parameters[0];
  scope_.parameters = std::move(words);
  code_ = function.code;
  at_ = function.entry;
  scope_.slots.resize(std::max<std::size_t>(scope_.slots.size(), code_->slots));
  return true;
}

bool ShellMachine::include(Run run, const std::string& text, std::vector<std::string> parameters) {
  auto compiled = compile_shell(text);
  if (const auto* error = std::get_if<ShellSyntaxError>(&compiled)) {
    message(run, "line " + std::to_string(error->line) + ": " + error->text);
    status_ = 2;
    return true;
  }
  ShellFrame frame;
  frame.kind = parameters.empty() ? ShellFrame::Kind::source : ShellFrame::Kind::call;
  frame.code = code_;
  frame.resume = at_;
  frame.values = scope_.parameters;
  if (!push(run, std::move(frame))) return false;
  if (!parameters.empty()) scope_.parameters = std::move(parameters);
  code_ = std::get<std::shared_ptr<const ShellCode>>(std::move(compiled));
  at_ = 0;
  scope_.slots.resize(std::max<std::size_t>(scope_.slots.size(), code_->slots));
  status_ = 0;
  return true;
}

void ShellMachine::spawn(Run run, std::uint32_t end) {
  auto child = std::make_unique<ShellMachine>(code_, scope_.parameters);
  child->at_ = at_;
  child->scope_ = scope_;
  child->functions_ = functions_;
  child->streams_ = streams_;
  child->streams_.in = nullptr;
  child->started_ = true;
  child->job_ = true;
  at_ = end;
  RunSpec spec;
  const SimProcess& self = run.process;
  spec.space = self.space;
  spec.cgroup = self.cgroup;
  spec.root = self.root;
  spec.directory = scope_.directory;
  spec.environment = exported();
  spec.streams = child->streams_;
  spec.parent = self.ref.pid;
  spec.depth = self.depth + 1;
  auto made = run.table.create(spec, self.argv, std::move(child));
  if (!made) {
    message(run, "cannot fork: " + reason_of(made.error()));
    status_ = 2;
    return;
  }
  last_job_ = (*made)->ref.pid;
  jobs_.insert(last_job_);
  status_ = 0;
}

/// Whether the innermost frame is the one that this instruction works on.
bool ShellMachine::frame_fits(ShellOp op) const {
  std::optional<ShellFrame::Kind> needed;
  switch (op) {
    case ShellOp::for_next:
    case ShellOp::loop_again:
    case ShellOp::loop_end: needed = ShellFrame::Kind::loop; break;
    case ShellOp::redirect_pop: needed = ShellFrame::Kind::redirect; break;
    case ShellOp::subshell_pop: needed = ShellFrame::Kind::subshell; break;
    case ShellOp::capture_pop: needed = ShellFrame::Kind::capture; break;
    case ShellOp::pipe_next:
    case ShellOp::pipe_last:
    case ShellOp::pipe_close: needed = ShellFrame::Kind::pipe; break;
    default: return true;
  }
  return !frames_.empty() && frames_.back().kind == *needed;
}

/// Runs one instruction. False = the process is gone or waits.
bool ShellMachine::step(Run run) {
  if (at_ >= code_->code.size()) {
    end_frame_return(run);
    return !ended_;
  }
  const ShellInstruction now = code_->code[at_++];
  if (!frame_fits(now.op)) {  // only a damaged saved world leads here
    fail_script(run, "the state of this shell is damaged", 2);
    return false;
  }
  switch (now.op) {
    case ShellOp::nop: break;
    case ShellOp::simple: {
      const auto code = code_;  // stays alive while the command looks at its words
      simple(run, code->commands[now.a]);
      break;
    }
    case ShellOp::jump: at_ = now.a; break;
    case ShellOp::jump_if_ok:
      if (status_ == 0) at_ = now.a;
      break;
    case ShellOp::jump_if_failed:
      if (status_ != 0) at_ = now.a;
      break;
    case ShellOp::negate: status_ = status_ == 0 ? 1 : 0; break;
    case ShellOp::set_status: status_ = static_cast<int>(now.a); break;
    case ShellOp::for_begin: {
      ShellFrame frame;
      frame.resume = now.b;
      frame.again = at_;
      const ShellFor& loop = code_->loops[now.a];
      if (loop.parameters) {
        if (!scope_.parameters.empty()) {
          frame.values.assign(scope_.parameters.begin() + 1, scope_.parameters.end());
        }
      } else {
        auto values = expand_words(run, loop.words);
        if (ended_) return false;
        if (!values) {
          leave_to(run, 2);
          break;
        }
        frame.values = std::move(*values);
      }
      status_ = 0;
      push(run, std::move(frame));
      break;
    }
    case ShellOp::for_next: {
      ShellFrame& frame = frames_.back();
      if (frame.next >= frame.values.size()) {
        at_ = now.b;
      } else if (!assign(run, code_->loops[now.a].variable, frame.values[frame.next++])) {
        leave_to(run, 2);
      }
      break;
    }
    case ShellOp::loop_begin: {
      ShellFrame frame;
      frame.resume = now.b;
      frame.again = at_;
      push(run, std::move(frame));
      break;
    }
    case ShellOp::loop_again: at_ = frames_.back().again; break;
    case ShellOp::loop_end:
    case ShellOp::redirect_pop: pop(run); break;
    case ShellOp::case_of: {
      const auto code = code_;
      const ShellCase& choice = code->cases[now.a];
      const auto subject = expand_text(run, choice.subject);
      if (ended_) return false;
      if (!subject) {
        leave_to(run, 2);
        break;
      }
      at_ = now.b;
      status_ = 0;
      bool found = false;
      for (const ShellCase::Arm& arm : choice.arms) {
        for (const ShellWord& word : arm.patterns) {
          const auto pattern = expand_pattern(run, word);
          if (ended_) return false;
          if (pattern && glob_match(*pattern, *subject)) {
            at_ = arm.target;
            found = true;
            break;
          }
        }
        if (found) break;
      }
      break;
    }
    case ShellOp::redirect_push: {
      const auto code = code_;
      ShellFrame frame;
      frame.kind = ShellFrame::Kind::redirect;
      ProcessStreams streams = streams_;
      const bool opened = redirect(run, code->redirects[now.a], streams);
      if (ended_) return false;
      if (!push(run, std::move(frame))) return false;
      if (opened) {
        streams_ = std::move(streams);
      } else {
        status_ = 1;
        at_ = now.b;  // the closing instruction
      }
      break;
    }
    case ShellOp::subshell_push:
    case ShellOp::capture_push: {
      ShellFrame frame;
      const bool capture = now.op == ShellOp::capture_push;
      frame.kind = capture ? ShellFrame::Kind::capture : ShellFrame::Kind::subshell;
      frame.resume = now.b;
      frame.scope = scope_;
      if (capture) frame.captured = std::make_shared<OutputBuffer>();
      const auto captured = frame.captured;
      if (!push(run, std::move(frame))) return false;
      if (capture) streams_.out = {OutputStream::Kind::buffer, captured, {}};
      break;
    }
    case ShellOp::subshell_pop: pop(run); break;
    case ShellOp::capture_pop: {
      const auto captured = frames_.back().captured;
      pop(run);
      captured->closed = true;
      std::string text = std::move(captured->text);
      while (!text.empty() && text.back() == '\n') text.pop_back();
      std::erase(text, '\0');
      if (text.size() > kMostText) {
        fail_script(run, "a command substitution gives too much text", 2);
        return false;
      }
      if (now.a >= scope_.slots.size()) scope_.slots.resize(now.a + 1);
      scope_.slots[now.a] = std::move(text);
      break;
    }
    case ShellOp::pipe_open:
    case ShellOp::pipe_next:
    case ShellOp::pipe_last: {
      std::shared_ptr<OutputBuffer> before;
      if (now.op != ShellOp::pipe_open) {
        before = frames_.back().captured;
        pop(run);
      }
      ShellFrame frame;
      frame.kind = ShellFrame::Kind::pipe;
      frame.resume = now.b;
      frame.scope = scope_;
      if (now.op != ShellOp::pipe_last) frame.captured = std::make_shared<OutputBuffer>();
      const auto captured = frame.captured;
      if (!push(run, std::move(frame))) return false;
      if (before) {
        before->closed = true;
        streams_.in = std::make_shared<InputText>();
        streams_.in->text = std::move(before->text);
      }
      if (captured) streams_.out = {OutputStream::Kind::buffer, captured, {}};
      break;
    }
    case ShellOp::pipe_close: pop(run); break;
    case ShellOp::spawn: spawn(run, now.a); break;
    case ShellOp::finish: end_frame_return(run); break;
    case ShellOp::define:
      functions_[code_->names[now.a]] = {code_, at_};
      at_ = now.b;
      status_ = 0;
      break;
    case ShellOp::leave: end_frame_return(run); break;
  }
  return !ended_;
}

void ShellMachine::simple(Run run, const SimpleCommand& command) {
  auto words = expand_words(run, command.words);
  if (ended_) return;
  if (!words) return leave_to(run, 2);
  std::vector<std::pair<std::string, std::string>> assignments;
  for (const auto& [name, word] : command.assignments) {
    auto value = expand_text(run, word);
    if (ended_) return;
    if (!value) return leave_to(run, 2);
    assignments.emplace_back(name, std::move(*value));
  }
  ProcessStreams streams = streams_;
  if (!redirect(run, command.redirects, streams)) {
    if (ended_) return;
    status_ = 1;
    return after_command(run, command.tested);
  }
  if (words->empty()) {
    if (!command.substituted) status_ = 0;
    for (auto& [name, value] : assignments) {
      if (!assign(run, name, std::move(value))) return leave_to(run, 2);
    }
    return after_command(run, command.tested);
  }
  if (const auto function = functions_.find((*words)[0]); function != functions_.end()) {
    for (auto& [name, value] : assignments) {
      if (!assign(run, name, std::move(value))) return leave_to(run, 2);
    }
    const ShellFunction target = function->second;
    if (call(run, target, std::move(*words), command.tested)) streams_ = std::move(streams);
    return;
  }
  // Assignments before a command hold for that command only.
  std::vector<std::pair<std::string, std::optional<ShellVariable>>> before;
  for (auto& [name, value] : assignments) {
    const auto old = scope_.variables.find(name);
    before.emplace_back(name, old == scope_.variables.end() ? std::nullopt
                                                            : std::optional(old->second));
    if (!assign(run, name, std::move(value))) return leave_to(run, 2);
    scope_.variables[name].exported = true;
  }
  const auto restore = [&] {
    for (auto& [name, old] : before) {
      if (old) {
        scope_.variables[name] = *old;
      } else {
        scope_.variables.erase(name);
      }
    }
  };
  const auto status = builtin(run, *words, streams, command.tested);
  if (ended_) return;
  if (status) {
    restore();
    if (*status == kHandled) return;
    status_ = *status;
    if (waiting_jobs_) return;
    return after_command(run, command.tested);
  }
  if (command.words.empty()) return;
  // A background job of one command becomes that command, as a forked shell would by execve.
  const bool last = job_ && frames_.empty() && at_ < code_->code.size() &&
                    code_->code[at_].op == ShellOp::finish;
  const Launched launched = launch(run.table, run.process, std::move(*words), exported(),
                                   scope_.directory, streams, last);
  if (last && launched.child != 0) {
    ended_ = true;
    return;
  }
  if (run.table.find(run.process.ref) == nullptr) {  // `halt`, `kill $$`: it was us
    ended_ = true;
    return;
  }
  restore();
  instructions_ += 10;  // a fork costs more than an instruction
  if (launched.child != 0) {
    waiting_ = launched.child;
    waiting_tested_ = command.tested;
    return;
  }
  status_ = launched.status;
  after_command(run, command.tested);
}

bool ShellMachine::open_output(Run run, const std::string& path, bool append,
                               OutputStream& stream) {
  std::string absolute = path;
  if (absolute.empty() || absolute[0] != '/') absolute = scope_.directory + "/" + path;
  if (absolute == "/dev/null") {
    if (!run.table.cgroups().device_allowed(run.process.cgroup, 'c', 1, 3, true)) {
      message(run, "cannot create " + path + ": Operation not permitted");
      return false;
    }
    stream = {};
    return true;
  }
  if (absolute == kOomAdjustFile) {
    stream = {};
    stream.kind = OutputStream::Kind::file;
    stream.path = absolute;
    return true;
  }
  if (absolute == "/dev/stdout") {
    stream = streams_.out;
    return true;
  }
  if (absolute == "/dev/stderr" || absolute == "/dev/tty" || absolute == "/dev/console") {
    stream = streams_.err;
    return true;
  }
  const FileView view = run.table.view(run.process);
  const auto info = view.stat_target(absolute);
  if (info && *info && (*info)->kind == FileKind::device) {
    message(run, "cannot open " + path + ": Operation not permitted");
    return false;
  }
  Status opened;
  if (info && *info && (*info)->kind == FileKind::directory) {
    opened = fail(ErrorCode::is_directory, "files.write", path, "Is a directory");
  } else {
    opened = append ? view.append(absolute, "") : view.write(absolute, "");
  }
  if (!opened) {
    message(run, "cannot create " + path + ": " + reason_of(opened.error()));
    return false;
  }
  stream = {OutputStream::Kind::file, nullptr, absolute};
  return true;
}

bool ShellMachine::redirect(Run run, const std::vector<ShellRedirect>& redirects,
                            ProcessStreams& streams) {
  for (const ShellRedirect& redirect : redirects) {
    const auto target = expand_text(run, redirect.target);
    if (!target || ended_) return false;
    switch (redirect.kind) {
      case ShellRedirect::Kind::here:
      case ShellRedirect::Kind::read: {
        if (redirect.fd != 0) {
          message(run, "only descriptor 0 can be read from");
          return false;
        }
        auto text = std::make_shared<InputText>();
        if (redirect.kind == ShellRedirect::Kind::here) {
          text->text = *target;
        } else {
          const std::string path =
              target->starts_with('/') ? *target : scope_.directory + "/" + *target;
          auto content = read_for(run.table, run.process, path);
          if (!content) {
            message(run, "cannot open " + *target + ": " + reason_of(content.error()));
            return false;
          }
          text->text = std::move(*content);
        }
        streams.in = std::move(text);
        break;
      }
      case ShellRedirect::Kind::write:
      case ShellRedirect::Kind::append: {
        OutputStream stream;
        if (!open_output(run, *target, redirect.kind == ShellRedirect::Kind::append, stream)) {
          return false;
        }
        if (redirect.fd == 1) streams.out = std::move(stream);
        else if (redirect.fd == 2) streams.err = std::move(stream);
        break;
      }
      case ShellRedirect::Kind::duplicate: {
        if (*target == "-") {
          if (redirect.fd == 0) streams.in = nullptr;
          if (redirect.fd == 1) streams.out = {};
          if (redirect.fd == 2) streams.err = {};
        } else if (redirect.fd == 1 && *target == "2") {
          streams.out = streams.err;
        } else if (redirect.fd == 2 && *target == "1") {
          streams.err = streams.out;
        } else if (*target != std::to_string(redirect.fd)) {
          message(run, "bad descriptor " + *target);
          return false;
        }
        break;
      }
    }
  }
  return true;
}

}  // namespace twinhull::sim
