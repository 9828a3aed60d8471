// Saving and loading a shell: scripts are saved as text and compiled anew.
#include "backends/sim/programs/shell_machine.h"

namespace twinhull::sim {
namespace {

/// Each script once, in the order of first use.
class Sources {
 public:
  std::uint32_t number(const std::shared_ptr<const ShellCode>& code) {
    for (std::size_t i = 0; i < codes_.size(); ++i) {
      if (codes_[i] == code) return static_cast<std::uint32_t>(i);
    }
    codes_.push_back(code);
    return static_cast<std::uint32_t>(codes_.size() - 1);
  }
  [[nodiscard]] std::vector<std::string> texts() const {
    std::vector<std::string> result;
    for (const auto& code : codes_) result.push_back(code->source);
    return result;
  }
  void compile(const std::vector<std::string>& texts) {
    for (const std::string& text : texts) {
      auto compiled = compile_shell(text);
      auto* code = std::get_if<std::shared_ptr<const ShellCode>>(&compiled);
      require_sane(code != nullptr, "a saved script does not compile");
      codes_.push_back(std::move(*code));
    }
  }
  [[nodiscard]] std::shared_ptr<const ShellCode> at(std::uint32_t number) const {
    require_sane(number < codes_.size(), "a saved script is missing");
    return codes_[number];
  }

 private:
  std::vector<std::shared_ptr<const ShellCode>> codes_;
};
constexpr std::uint32_t kNoCode = ~std::uint32_t{0};

}  // namespace

void ShellMachine::relocate(const Relocation& relocation) {
  waiting_ = relocation.pid(waiting_);
  waiting_job_ = relocation.pid(waiting_job_);
  last_job_ = relocation.pid(last_job_);
  std::set<std::int32_t> jobs;
  for (const std::int32_t job : jobs_) jobs.insert(relocation.pid(job));
  jobs.erase(0);
  jobs_ = std::move(jobs);
  job_status_.clear();  // of jobs that had ended: their numbers mean others now
}

void ShellMachine::save(SaveArchive& archive) const {
  Sources sources;
  sources.number(code_);
  for (const ShellFrame& frame : frames_) {
    if (frame.code) sources.number(frame.code);
  }
  for (const auto& [name, function] : functions_) sources.number(function.code);
  archive(sources.texts(), sources.number(code_), at_, scope_, streams_, status_, started_, job_, waiting_,
          waiting_tested_, waiting_jobs_, waiting_job_, computing_, jobs_, job_status_, last_job_,
          instructions_, payments_);
  archive(static_cast<std::uint64_t>(frames_.size()));
  for (const ShellFrame& frame : frames_) {
    archive(frame.kind, frame.code ? sources.number(frame.code) : kNoCode, frame.resume, frame.again,
            frame.tested, frame.streams, frame.scope, frame.values, frame.next, frame.captured);
  }
  archive(static_cast<std::uint64_t>(functions_.size()));
  for (const auto& [name, function] : functions_) {
    archive(name, sources.number(function.code), function.entry);
  }
}

void ShellMachine::load(LoadArchive& archive) {
  std::vector<std::string> texts;
  std::uint32_t number = 0;
  archive(texts, number, at_, scope_, streams_, status_, started_, job_, waiting_, waiting_tested_,
          waiting_jobs_, waiting_job_, computing_, jobs_, job_status_, last_job_, instructions_,
          payments_);
  Sources sources;
  sources.compile(texts);
  code_ = sources.at(number);
  std::uint64_t count = 0;
  archive(count);
  require_sane(count <= kMostFrames, "a shell is nested too deeply");
  for (std::uint64_t i = 0; i < count; ++i) {
    ShellFrame frame;
    std::uint32_t code = kNoCode;
    archive(frame.kind, code, frame.resume, frame.again, frame.tested, frame.streams, frame.scope,
            frame.values, frame.next, frame.captured);
    require_sane(frame.kind <= ShellFrame::Kind::source, "unknown shell frame");
    if (code != kNoCode) frame.code = sources.at(code);
    frames_.push_back(std::move(frame));
  }
  archive(count);
  require_sane(count <= archive.remaining(), "too many functions");
  for (std::uint64_t i = 0; i < count; ++i) {
    std::string name;
    ShellFunction function;
    std::uint32_t code = 0;
    archive(name, code, function.entry);
    function.code = sources.at(code);
    functions_[name] = std::move(function);
  }
  check_loaded();
}

/// The saved place must be one that running could have reached: each frame-closing instruction
/// that may come next finds the frame that it closes. Cheap approximation: walk outwards.
void ShellMachine::check_loaded() const {
  std::shared_ptr<const ShellCode> code = code_;
  require_sane(at_ <= code->code.size(), "a shell stands outside its script");
  std::uint32_t most_slots = code->slots;
  for (std::size_t i = frames_.size(); i-- > 0;) {
    const ShellFrame& frame = frames_[i];
    const bool turns = frame.kind == ShellFrame::Kind::call || frame.kind == ShellFrame::Kind::source;
    require_sane(turns == static_cast<bool>(frame.code), "a shell frame lacks its script");
    if (turns) {
      code = frame.code;
      most_slots = std::max(most_slots, code->slots);
    }
    require_sane(frame.resume <= code->code.size() && frame.again <= code->code.size(),
                 "a shell frame leads outside its script");
    const bool copies = frame.kind == ShellFrame::Kind::subshell ||
                        frame.kind == ShellFrame::Kind::capture ||
                        frame.kind == ShellFrame::Kind::pipe;
    require_sane(copies == frame.scope.has_value(), "a subshell lacks its variables");
    require_sane(frame.kind != ShellFrame::Kind::capture || frame.captured != nullptr,
                 "a substitution lacks its text");
    if (frame.scope) {
      require_sane(frame.scope->slots.size() <= (std::size_t{1} << 20), "too many substitutions");
    }
  }
  require_sane(!started_ || scope_.slots.size() >= code_->slots, "a shell lacks its substitutions");
  for (const auto& [name, function] : functions_) {
    require_sane(function.entry <= function.code->code.size(), "a function leads nowhere");
  }
}

}  // namespace twinhull::sim
