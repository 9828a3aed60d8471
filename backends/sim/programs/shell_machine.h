// Runs compiled shell code, one instruction at a time; its state can be saved between any two.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "backends/sim/process/process_model.h"
#include "backends/sim/programs/shell_code.h"

namespace twinhull::sim {

struct ShellVariable {
  std::string value;
  bool exported = false;
  bool read_only = false;
  template <typename Archive>
  void serialize(Archive& archive) {
    archive(value, exported, read_only);
  }
};

/// What a subshell gets a copy of.
struct ShellScope {
  std::map<std::string, ShellVariable> variables;
  std::vector<std::string> parameters;
  std::vector<std::string> slots;
  std::string directory = "/";
  bool stop_on_error = false;   ///< set -e
  bool refuse_unset = false;    ///< set -u
  template <typename Archive>
  void serialize(Archive& archive) {
    archive(variables, parameters, slots, directory, stop_on_error, refuse_unset);
  }
};

struct ShellFunction {
  std::shared_ptr<const ShellCode> code;
  std::uint32_t entry = 0;
};

/// An entered construct, with what must be put back when it is left.
struct ShellFrame {
  enum class Kind : std::uint8_t { loop, redirect, subshell, capture, pipe, call, source };
  Kind kind = Kind::loop;
  std::shared_ptr<const ShellCode> code;  ///< call, source: where to go on
  std::uint32_t resume = 0;               ///< call, source: there; else where an exit lands
  std::uint32_t again = 0;                ///< loop: its head
  bool tested = false;                    ///< call: set -e does not act inside
  ProcessStreams streams;
  std::optional<ShellScope> scope;        ///< subshell, capture, pipe
  std::vector<std::string> values;        ///< loop: list; call: outer parameters
  std::uint64_t next = 0;
  std::shared_ptr<OutputBuffer> captured;
};

/// The state machine of `sh`. Time: every thousand instructions cost a millisecond of CPU, so that
/// a busy loop is one; loops that go on long are charged in growing steps.
class ShellMachine final : public Program {
 public:
  ShellMachine() = default;
  /// `parameters[0]` is $0.
  ShellMachine(std::shared_ptr<const ShellCode> code, std::vector<std::string> parameters);

  [[nodiscard]] ProgramKind kind() const override { return ProgramKind::shell; }
  void handle(ProcessModel& table, SimProcess& process, const ProcessEvent& event) override;
  void relocate(const Relocation& relocation) override;
  void save(SaveArchive& archive) const override;
  void load(LoadArchive& archive) override;

 private:
  static constexpr std::size_t kMostFrames = 200;
  static constexpr std::size_t kMostText = std::size_t{1} << 20;
  static constexpr std::size_t kMostFields = 1U << 16;
  struct Field;
  struct Run {  ///< what one handle() works with
    ProcessModel& table;
    SimProcess& process;
  };

  // shell_machine.cc
  void run(Run run);
  bool step(Run run);
  [[nodiscard]] bool frame_fits(ShellOp op) const;
  void simple(Run run, const SimpleCommand& command);
  void fail_script(Run run, const std::string& text, int status);
  void message(Run run, const std::string& text);
  void leave_to(Run run, int status);         ///< exit: ends the innermost subshell or the script
  void after_command(Run run, bool tested);   ///< set -e
  bool push(Run run, ShellFrame frame);
  void pop(Run run);
  void spawn(Run run, std::uint32_t end);
  bool call(Run run, const ShellFunction& function, std::vector<std::string> words, bool tested);
  bool include(Run run, const std::string& text, std::vector<std::string> parameters);
  void end_frame_return(Run run);
  /// Opens redirections on `streams`. False = refused, a message was written.
  bool redirect(Run run, const std::vector<ShellRedirect>& redirects, ProcessStreams& streams);
  bool open_output(Run run, const std::string& path, bool append, OutputStream& stream);

  // shell_builtins.cc. std::nullopt = no such builtin; kHandled = the shell went elsewhere.
  static constexpr int kHandled = -1;
  std::optional<int> builtin(Run run, const std::vector<std::string>& words,
                             const ProcessStreams& streams, bool tested);
  int builtin_set(const std::vector<std::string>& words);
  int builtin_read(const std::vector<std::string>& words, const ProcessStreams& streams);
  /// `ulimit -n`, the one limit that is shown; others are refused.
  int builtin_ulimit(Run run, const std::vector<std::string>& words, const ProcessStreams& streams);
  std::optional<int> builtin_wait(Run run, const std::vector<std::string>& words);
  bool assign(Run run, const std::string& name, std::string value);
  [[nodiscard]] std::map<std::string, std::string> exported() const;

  // shell_expand.cc
  std::optional<std::vector<std::string>> expand_words(Run run, const std::vector<ShellWord>& words);
  std::optional<std::string> expand_text(Run run, const ShellWord& word);
  std::optional<std::string> expand_pattern(Run run, const ShellWord& word);
  bool expand_into(Run run, const ShellWord& word, std::vector<Field>& fields, bool split);
  bool expand_parameter(Run run, const WordPart& part, std::vector<Field>& fields, bool split);
  std::optional<std::string> parameter(Run run, const std::string& name) const;
  void glob(Run run, const std::string& pattern, std::vector<std::string>& into) const;
  std::optional<std::int64_t> arithmetic(Run run, std::string_view expression, std::string& error);

  void check_loaded() const;

  std::shared_ptr<const ShellCode> code_;
  std::uint32_t at_ = 0;
  std::vector<ShellFrame> frames_;
  ShellScope scope_;
  ProcessStreams streams_;
  std::map<std::string, ShellFunction> functions_;
  int status_ = 0;
  bool started_ = false;
  bool ended_ = false;
  bool job_ = false;                      ///< started by `&`
  std::int32_t waiting_ = 0;              ///< foreground child
  bool waiting_tested_ = false;
  bool waiting_jobs_ = false;             ///< `wait`
  std::int32_t waiting_job_ = 0;          ///< `wait PID`; 0 = all
  bool computing_ = false;                ///< pays CPU time
  std::set<std::int32_t> jobs_;           ///< running background children
  std::map<std::int32_t, int> job_status_;
  std::int32_t last_job_ = 0;
  std::uint64_t instructions_ = 0;        ///< since the last payment
  std::uint64_t payments_ = 0;
};

}  // namespace twinhull::sim
