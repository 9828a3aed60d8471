#include "tools/vzcfg/program.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

namespace twinhull::tools {
namespace {

/// The text of --help, or nothing when the options are filled in.
Result<std::string> parse(const ProgramGrammar& grammar, std::span<const std::string> argv) {
  CLI::App app(grammar.summary, grammar.program);
  app.set_help_flag("--help", "Show this text");
  app.footer("Examples:\n" + std::string(grammar.examples));
  for (const FlagOption& flag : grammar.flags) app.add_flag(flag.names, *flag.target, flag.help);
  for (const ValueOption& value : grammar.values)
    app.add_option(value.names, *value.target, value.help)->type_name(value.type);
  if (grammar.word.name != nullptr)
    app.add_option(grammar.word.name, *grammar.word.target, grammar.word.help);
  if (grammar.words.name != nullptr)
    app.add_option(grammar.words.name, *grammar.words.target, grammar.words.help);
  const auto refuse = [&](std::string_view why) {
    return fail(ErrorCode::invalid_argument, "program.options", "command line", why)
        .with_hint(fmt::format("see {} --help", grammar.program));
  };
  try {
    // CLI11 takes the words last first.
    std::vector<std::string> words(argv.empty() ? argv.begin() : argv.begin() + 1, argv.end());
    std::reverse(words.begin(), words.end());
    app.parse(words);
  } catch (const CLI::CallForHelp&) {
    return app.help();
  } catch (const CLI::ParseError& error) {
    return refuse(error.what());
  }
  if (grammar.word.required && grammar.word.target->empty())
    return refuse(fmt::format("{} is missing", grammar.word.name));
  if (grammar.words.name != nullptr && !grammar.words.optional && grammar.words.target->empty())
    return refuse(fmt::format("{} is missing", grammar.words.name));
  return std::string();
}

}  // namespace

int run_program(Session& session, const ProgramGrammar& grammar, std::span<const std::string> argv,
                ProgramExits exits, const std::function<Result<int>()>& body) {
  const auto complain = [&](const Error& error) {
    session.console.error(fmt::format("{}: {}\n", grammar.program, error.message()));
  };
  const Result<std::string> help = parse(grammar, argv);
  if (!help) {
    complain(help.error());
    return exits.usage;
  }
  if (!help->empty()) {
    session.console.out(*help);
    return 0;
  }
  const Result<int> code = body();
  if (code) return *code;
  complain(code.error());
  return exits.failure;
}

std::optional<std::string> Answers::ask(const std::string& question) {
  session_.console.out(question);
  if (session_.read_line) return session_.read_line();
  if (!rest_) rest_ = session_.read_input();
  if (rest_->empty()) return std::nullopt;
  const std::size_t end = rest_->find('\n');
  std::string line = rest_->substr(0, end);
  rest_->erase(0, end == std::string::npos ? end : end + 1);
  return line;
}

}  // namespace twinhull::tools
