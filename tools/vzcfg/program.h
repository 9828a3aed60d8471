// The frame of a small program: a few options, a body, one line for what went wrong.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/kernel/result.h"
#include "runtime/node/session.h"

namespace twinhull::tools {

/// An option without a value.
struct FlagOption {
  const char* names;  ///< "-v,--verbose"
  bool* target;
  const char* help;
};

/// An option with one value, given at most once.
struct ValueOption {
  const char* names;
  std::optional<std::string>* target;
  const char* type;  ///< what the value is, for the help
  const char* help;
};

/// The one word that is no option.
struct WordArgument {
  const char* name;  ///< nullptr = there is none
  std::string* target;
  const char* help;
  bool required;
};

/// All words that are no options and come after the one above; at least one, unless `optional`.
struct WordList {
  const char* name = nullptr;  ///< nullptr = there are none
  std::vector<std::string>* target = nullptr;
  const char* help = nullptr;
  bool optional = false;
};

/// Everything about a command line. CLI11 stays behind program.cc.
struct ProgramGrammar {
  const char* program;
  const char* summary;
  const char* examples;  ///< lines, indented
  std::vector<FlagOption> flags = {};
  std::vector<ValueOption> values = {};
  WordArgument word = {nullptr, nullptr, nullptr, false};
  WordList words = {};
};

/// Exit codes that differ between the programs (spec R2.2).
struct ProgramExits {
  int usage = 1;
  int failure = 1;
};

/// Parses, runs `body` and says on one line what went wrong. --help is answered here. The result of
/// `body` is the exit code; an error of it ends with `exits.failure`.
int run_program(Session& session, const ProgramGrammar& grammar, std::span<const std::string> argv,
                ProgramExits exits, const std::function<Result<int>()>& body);

/// Answers of whoever runs the program, line by line.
class Answers {
 public:
  explicit Answers(Session& session) : session_(session) {}
  /// Asks on standard output; std::nullopt at the end of input.
  std::optional<std::string> ask(const std::string& question);

 private:
  Session& session_;
  std::optional<std::string> rest_;  ///< of read_input, where there is no read_line
};

}  // namespace twinhull::tools
