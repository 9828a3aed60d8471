#include "backends/sim/programs/shell_compiler.h"

#include <algorithm>
#include <array>

namespace twinhull::sim {
namespace {

constexpr std::array<std::string_view, 13> kEndWords = {
    "then", "else", "elif", "fi", "do", "done", "esac", "}", ")", ";;", "in", "{", "("};

bool is_name(std::string_view text) {
  if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  });
}
bool is_meta(char c) {
  return c == '\0' || c == ' ' || c == '\t' || c == '\n' || c == ';' || c == '&' || c == '|' ||
         c == '<' || c == '>' || c == '(' || c == ')';
}

}  // namespace

std::variant<std::shared_ptr<const ShellCode>, ShellSyntaxError> compile_shell(
    std::string_view source) {
  if (source.size() > (std::size_t{1} << 20)) return ShellSyntaxError{0, "script too large"};
  auto code = std::make_shared<ShellCode>();
  code->source = std::string(source);
  std::string clean(source);
  std::replace(clean.begin(), clean.end(), '\0', '\x01');  // NUL is the compiler's end mark
  ShellCompiler compiler(clean, *code);
  if (!compiler.compile()) return compiler.error();
  return std::shared_ptr<const ShellCode>(std::move(code));
}

bool ShellCompiler::compile() {
  list({});
  if (!failed_ && !at_end()) fail(std::string("unexpected \"") + peek() + "\"");
  emit(ShellOp::finish);
  return !failed_;
}

void ShellCompiler::fail(std::string text) {
  if (failed_) return;
  failed_ = true;
  error_ = {line(), std::move(text)};
  at_ = text_.size();
}

std::uint32_t ShellCompiler::line() const {
  const auto end = text_.begin() + static_cast<std::ptrdiff_t>(std::min(at_, text_.size()));
  return first_line_ + static_cast<std::uint32_t>(std::count(text_.begin(), end, '\n'));
}

std::uint32_t ShellCompiler::emit(ShellOp op, std::uint32_t a, std::uint32_t b) {
  code_.code.push_back({op, a, b});
  return here() - 1;
}

void ShellCompiler::skip_blanks() {
  while (true) {
    if (peek() == ' ' || peek() == '\t' || peek() == '\r') {
      ++at_;
    } else if (peek() == '\\' && peek(1) == '\n') {
      at_ += 2;
    } else if (peek() == '#') {
      while (!at_end() && peek() != '\n') ++at_;
    } else {
      return;
    }
  }
}

void ShellCompiler::newline() {
  const auto document = documents_.find(at_);
  at_ = document == documents_.end() ? at_ + 1 : document->second;
}

void ShellCompiler::skip_lines() {
  while (true) {
    skip_blanks();
    if (peek() != '\n') return;
    newline();
  }
}

bool ShellCompiler::take(std::string_view token) {
  if (text_.substr(std::min(at_, text_.size())).substr(0, token.size()) != token) return false;
  at_ += token.size();
  return true;
}

std::string_view ShellCompiler::peek_name() const {
  std::size_t end = at_;
  while (end < text_.size() && !is_meta(text_[end])) ++end;
  if (end == at_ && (peek() == '(' || peek() == ')')) return text_.substr(at_, 1);
  if (end == at_ && peek() == ';' && peek(1) == ';') return text_.substr(at_, 2);
  return text_.substr(std::min(at_, text_.size()), end - at_);
}

void ShellCompiler::expect_word(std::string_view name) {
  skip_lines();
  if (failed()) return;
  if (!peek_reserved(name)) {
    return fail("\"" + std::string(name) + "\" is missing");
  }
  at_ += name.size();
}

void ShellCompiler::list(const std::vector<std::string_view>& ends) {
  const Deeper deeper(*this);
  bool any = false;
  while (!failed()) {
    skip_lines();
    if (at_end()) break;
    const std::string_view name = peek_name();
    if (std::find(ends.begin(), ends.end(), name) != ends.end()) break;
    const std::uint32_t start = emit(ShellOp::nop);
    and_or();
    any = true;
    skip_blanks();
    if (peek() == '&' && peek(1) != '&') {
      ++at_;
      code_.code[start] = {ShellOp::spawn, 0, 0};
      emit(ShellOp::finish);
      code_.code[start].a = here();
    } else if (peek() == ';' && peek(1) != ';') {
      ++at_;
    } else if (peek() == '\n') {
      newline();
    } else if (!at_end()) {
      const std::string_view next = peek_name();
      if (std::find(ends.begin(), ends.end(), next) == ends.end()) {
        return fail("unexpected \"" + std::string(next.empty() ? text_.substr(at_, 1) : next) +
                    "\"");
      }
    }
  }
  if (!any && !ends.empty() && !failed()) fail("a command is missing");
}

void ShellCompiler::and_or() {
  // The left side of && and || is a test; whether one follows is known only afterwards.
  const std::size_t first = code_.commands.size();
  pipeline();
  std::size_t tested_from = first;
  while (!failed()) {
    skip_blanks();
    ShellOp skip{};
    if (peek() == '&' && peek(1) == '&') {
      skip = ShellOp::jump_if_failed;
    } else if (peek() == '|' && peek(1) == '|') {
      skip = ShellOp::jump_if_ok;
    } else {
      return;
    }
    at_ += 2;
    for (std::size_t i = tested_from; i < code_.commands.size(); ++i) {
      code_.commands[i].tested = true;
    }
    const std::uint32_t jump = emit(skip);
    skip_lines();
    tested_from = code_.commands.size();
    pipeline();
    code_.code[jump].a = here();
  }
}

void ShellCompiler::pipeline() {
  skip_blanks();
  bool negated = false;
  while (peek() == '!' && is_meta(peek(1)) && !failed()) {
    ++at_;
    negated = !negated;
    skip_blanks();
  }
  if (negated) ++tested_;
  const std::uint32_t start = emit(ShellOp::nop);
  command();
  skip_blanks();
  std::uint32_t between = start;
  while (!failed() && peek() == '|' && peek(1) != '|') {
    ++at_;
    code_.code[between].op = between == start ? ShellOp::pipe_open : ShellOp::pipe_next;
    const std::uint32_t next = emit(ShellOp::pipe_last);
    code_.code[between].b = next;
    between = next;
    skip_lines();
    command();
    skip_blanks();
  }
  if (between != start) code_.code[between].b = emit(ShellOp::pipe_close);
  if (negated) {
    --tested_;
    emit(ShellOp::negate);
  }
}

void ShellCompiler::command() {
  const Deeper deeper(*this);
  if (failed()) return;
  skip_blanks();
  const std::string_view name = peek_name();
  if (name == "if" || name == "while" || name == "until" || name == "for" || name == "case" ||
      name == "{" || peek() == '(') {
    return compound(name);
  }
  if (at_end() || name.empty()) {
    if (peek() != '<' && peek() != '>') return fail("a command is missing");
  }
  if (std::find(kEndWords.begin(), kEndWords.end(), name) != kEndWords.end()) {
    return fail("unexpected \"" + std::string(name) + "\"");
  }
  if (is_name(name)) {  // NAME ( ) …
    std::size_t next = at_ + name.size();
    while (next < text_.size() && (text_[next] == ' ' || text_[next] == '\t')) ++next;
    if (next < text_.size() && text_[next] == '(') {
      at_ = next + 1;
      skip_blanks();
      if (!take(")")) return fail("\")\" is missing after the name of a function");
      return function(std::string(name));
    }
  }
  simple_command();
}

void ShellCompiler::function(std::string name) {
  const std::uint32_t define = emit(ShellOp::define, static_cast<std::uint32_t>(code_.names.size()));
  code_.names.push_back(std::move(name));
  skip_lines();
  const std::uint32_t tested = std::exchange(tested_, 0U);
  command();
  tested_ = tested;
  emit(ShellOp::leave);
  code_.code[define].b = here();
}

void ShellCompiler::compound(std::string_view name) {
  const std::uint32_t redirects = emit(ShellOp::nop);
  if (peek() == '(') {
    ++at_;
    const std::uint32_t push = emit(ShellOp::subshell_push);
    list({")"});
    if (!take(")")) fail("\")\" is missing");
    code_.code[push].b = emit(ShellOp::subshell_pop);
  } else {
    at_ += name.size();
    if (name == "{") {
      list({"}"});
      expect_word("}");
    } else if (name == "if") {
      if_clause();
    } else if (name == "for") {
      for_clause();
    } else if (name == "case") {
      case_clause();
    } else {
      loop_clause(name == "until");
    }
  }
  std::vector<ShellRedirect> found;
  no_substitution_ = true;
  while (!failed() && redirect(found)) {
  }
  no_substitution_ = false;
  if (found.empty()) return;
  code_.code[redirects] = {ShellOp::redirect_push, static_cast<std::uint32_t>(code_.redirects.size()),
                           here()};
  code_.redirects.push_back(std::move(found));
  emit(ShellOp::redirect_pop);
}

void ShellCompiler::if_clause() {
  std::vector<std::uint32_t> to_end;
  bool more = true;
  bool has_else = false;
  while (more && !failed()) {
    ++tested_;
    list({"then"});
    --tested_;
    expect_word("then");
    const std::uint32_t skip = emit(ShellOp::jump_if_failed);
    list({"elif", "else", "fi"});
    to_end.push_back(emit(ShellOp::jump));
    code_.code[skip].a = here();
    skip_lines();
    more = peek_reserved("elif");
    if (more) at_ += 4;
  }
  if (!failed() && peek_reserved("else")) {
    at_ += 4;
    list({"fi"});
    has_else = true;
  }
  expect_word("fi");
  if (!has_else) emit(ShellOp::set_status, 0);
  for (std::uint32_t jump : to_end) code_.code[jump].a = here();
}

void ShellCompiler::loop_clause(bool until) {
  const std::uint32_t begin = emit(ShellOp::loop_begin);
  ++tested_;
  list({"do"});
  --tested_;
  expect_word("do");
  const std::uint32_t leave = emit(until ? ShellOp::jump_if_ok : ShellOp::jump_if_failed);
  list({"done"});
  expect_word("done");
  emit(ShellOp::loop_again);
  code_.code[leave].a = here();
  emit(ShellOp::set_status, 0);
  code_.code[begin].b = emit(ShellOp::loop_end);
}

void ShellCompiler::for_clause() {
  skip_blanks();
  const std::string name(peek_name());
  if (!is_name(name)) return fail("\"for\" needs a variable");
  at_ += name.size();
  ShellFor loop;
  loop.variable = name;
  skip_lines();
  if (peek_reserved("in")) {
    at_ += 2;
    while (!failed()) {
      skip_blanks();
      ShellWord item;
      if (!word(item)) break;
      loop.words.push_back(std::move(item));
    }
  } else {
    loop.parameters = true;
  }
  skip_blanks();
  if (peek() == ';') ++at_;
  expect_word("do");
  const auto number = static_cast<std::uint32_t>(code_.loops.size());
  code_.loops.push_back(std::move(loop));
  const std::uint32_t begin = emit(ShellOp::for_begin, number);
  const std::uint32_t next = emit(ShellOp::for_next, number);
  list({"done"});
  expect_word("done");
  emit(ShellOp::loop_again);
  code_.code[next].b = here();
  code_.code[begin].b = emit(ShellOp::loop_end);
}

void ShellCompiler::case_clause() {
  ShellCase choice;
  skip_blanks();
  if (!word(choice.subject)) return fail("\"case\" needs a word");
  expect_word("in");
  const auto number = static_cast<std::uint32_t>(code_.cases.size());
  code_.cases.emplace_back();
  const std::uint32_t start = emit(ShellOp::case_of, number);
  std::vector<std::uint32_t> to_end;
  while (!failed()) {
    skip_lines();
    if (peek_reserved("esac")) break;
    if (at_end()) return fail("\"esac\" is missing");
    ShellCase::Arm arm;
    if (peek() == '(') ++at_;
    do {
      skip_blanks();
      ShellWord pattern;
      no_substitution_ = true;
      const bool some = word(pattern);
      no_substitution_ = false;
      if (!some) return fail("a pattern is missing");
      arm.patterns.push_back(std::move(pattern));
      skip_blanks();
    } while (take("|"));
    if (!take(")")) return fail("\")\" is missing after a pattern");
    arm.target = here();
    choice.arms.push_back(std::move(arm));
    skip_lines();
    emit(ShellOp::set_status, 0);
    if (!peek_reserved(";;") && !peek_reserved("esac")) list({";;", "esac"});
    to_end.push_back(emit(ShellOp::jump));
    skip_lines();
    if (!take(";;")) break;
  }
  expect_word("esac");
  code_.code[start].b = here();
  for (std::uint32_t jump : to_end) code_.code[jump].a = here();
  code_.cases[number] = std::move(choice);
}

void ShellCompiler::simple_command() {
  SimpleCommand command;
  command.line = line();
  command.tested = tested_ > 0;
  const bool outer = std::exchange(substituted_, false);
  while (!failed()) {
    skip_blanks();
    if (redirect(command.redirects)) continue;
    const std::string_view name = peek_name();
    const std::size_t equals = name.find('=');
    if (command.words.empty() && equals != std::string_view::npos &&
        is_name(name.substr(0, equals))) {
      std::string variable(name.substr(0, equals));
      at_ += equals + 1;
      ShellWord value;
      word(value);
      command.assignments.emplace_back(std::move(variable), std::move(value));
      continue;
    }
    ShellWord next;
    if (!word(next)) break;
    command.words.push_back(std::move(next));
  }
  command.substituted = std::exchange(substituted_, outer);
  if (command.words.empty() && command.assignments.empty() && command.redirects.empty()) {
    return fail("a command is missing");
  }
  emit(ShellOp::simple, static_cast<std::uint32_t>(code_.commands.size()));
  code_.commands.push_back(std::move(command));
}

bool ShellCompiler::redirect(std::vector<ShellRedirect>& into) {
  skip_blanks();
  std::size_t ahead = 0;
  int fd = -1;
  if (peek() >= '0' && peek() <= '9' && (peek(1) == '<' || peek(1) == '>')) {
    fd = peek() - '0';
    ahead = 1;
  }
  if (peek(ahead) != '<' && peek(ahead) != '>') return false;
  at_ += ahead;
  ShellRedirect redirect;
  if (take("<<-") || take("<<")) {
    const bool strip = text_[at_ - 1] == '-';
    redirect.kind = ShellRedirect::Kind::here;
    redirect.fd = fd < 0 ? 0 : fd;
    here_document(redirect, strip);
    into.push_back(std::move(redirect));
    return !failed();
  }
  if (take("<&")) {
    redirect.kind = ShellRedirect::Kind::duplicate;
    redirect.fd = fd < 0 ? 0 : fd;
  } else if (take(">&")) {
    redirect.kind = ShellRedirect::Kind::duplicate;
    redirect.fd = fd < 0 ? 1 : fd;
  } else if (take("<")) {
    redirect.kind = ShellRedirect::Kind::read;
    redirect.fd = fd < 0 ? 0 : fd;
  } else {
    redirect.kind = take(">>") ? ShellRedirect::Kind::append : ShellRedirect::Kind::write;
    if (redirect.kind == ShellRedirect::Kind::write) {
      if (!take(">|")) take(">");
    }
    redirect.fd = fd < 0 ? 1 : fd;
  }
  skip_blanks();
  if (!word(redirect.target)) fail("a redirection needs a file");
  into.push_back(std::move(redirect));
  return !failed();
}

}  // namespace twinhull::sim
