// Words of the shell: quotes, parameters, substitutions, here-documents.
#include <algorithm>

#include "backends/sim/programs/shell_compiler.h"

namespace twinhull::sim {
namespace {

bool is_name_letter(char c, bool first) {
  return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (!first && c >= '0' && c <= '9');
}
bool is_special(char c) {
  return c == '?' || c == '#' || c == '@' || c == '*' || c == '$' || c == '!' || c == '-';
}
void add_text(ShellWord& word, char letter, bool quoted) {
  if (word.empty() || word.back().kind != WordPart::Kind::text || word.back().quoted != quoted) {
    WordPart part;
    part.quoted = quoted;
    word.push_back(std::move(part));
  }
  word.back().text += letter;
}

}  // namespace

bool ShellCompiler::word(ShellWord& into) {
  bool any = false;
  while (!at_end() && !failed()) {
    const char c = peek();
    if (c == ' ' || c == '\t' || c == '\n' || c == ';' || c == '&' || c == '|' || c == '<' ||
        c == '>' || c == '(' || c == ')') {
      break;
    }
    any = true;
    if (c == '\\') {
      if (peek(1) == '\n') {
        at_ += 2;
        continue;
      }
      ++at_;
      if (!at_end()) {
        add_text(into, peek(), true);
        ++at_;
      }
    } else if (c == '\'') {
      ++at_;
      WordPart part;
      part.quoted = true;
      const std::size_t end = text_.find('\'', at_);
      if (end == std::string_view::npos) {
        fail("a quote ' is not closed");
        break;
      }
      part.text = std::string(text_.substr(at_, end - at_));
      at_ = end + 1;
      into.push_back(std::move(part));
    } else if (c == '"') {
      ++at_;
      double_quoted(into);
    } else if (c == '$') {
      dollar(into, false);
    } else if (c == '`') {
      ++at_;
      const std::size_t end = text_.find('`', at_);
      if (end == std::string_view::npos) {
        fail("a quote ` is not closed");
        break;
      }
      const std::string_view script = text_.substr(at_, end - at_);
      at_ = end + 1;
      substitution(into, false, script);
    } else {
      add_text(into, c, false);
      ++at_;
    }
  }
  return any && !failed();
}

void ShellCompiler::double_quoted(ShellWord& into) {
  WordPart start;  // "" is a word of its own
  start.quoted = true;
  into.push_back(start);
  while (!failed()) {
    if (at_end()) return fail("a quote \" is not closed");
    const char c = peek();
    if (c == '"') {
      ++at_;
      return;
    }
    if (c == '\\' && (peek(1) == '$' || peek(1) == '`' || peek(1) == '"' || peek(1) == '\\')) {
      add_text(into, peek(1), true);
      at_ += 2;
    } else if (c == '\\' && peek(1) == '\n') {
      at_ += 2;
    } else if (c == '$') {
      dollar(into, true);
    } else if (c == '`') {
      ++at_;
      const std::size_t end = text_.find('`', at_);
      if (end == std::string_view::npos) return fail("a quote ` is not closed");
      const std::string_view script = text_.substr(at_, end - at_);
      at_ = end + 1;
      substitution(into, true, script);
    } else {
      add_text(into, c, true);
      ++at_;
    }
  }
}

/// The text up to the closing bracket that belongs to the opening one just taken; quotes hide.
std::string_view ShellCompiler::balanced(char open, char close) {
  const std::size_t begin = at_;
  std::size_t depth = 1;
  while (!at_end()) {
    const char c = peek();
    if (c == '\\') {
      at_ += 2;
      continue;
    }
    if (c == '\'' && open == '(') {
      const std::size_t end = text_.find('\'', at_ + 1);
      if (end == std::string_view::npos) break;
      at_ = end + 1;
      continue;
    }
    if (c == '"') {
      ++at_;
      while (!at_end() && peek() != '"') at_ += peek() == '\\' ? 2 : 1;
      ++at_;
      continue;
    }
    if (c == open) ++depth;
    if (c == close && --depth == 0) {
      ++at_;
      return text_.substr(begin, at_ - 1 - begin);
    }
    ++at_;
  }
  fail(std::string("\"") + close + "\" is missing");
  return {};
}

void ShellCompiler::dollar(ShellWord& into, bool quoted) {
  const Deeper deeper(*this);
  if (failed()) return;
  ++at_;  // $
  if (peek() == '(' && peek(1) == '(') {
    at_ += 2;
    const std::string_view expression = balanced('(', ')');
    if (failed()) return;
    if (!take(")")) return fail("\"))\" is missing");
    WordPart part;
    part.kind = WordPart::Kind::arithmetic;
    part.quoted = quoted;
    part.operand = parse_text(expression, true);
    into.push_back(std::move(part));
    return;
  }
  if (peek() == '(') {
    ++at_;
    const std::string_view script = balanced('(', ')');
    if (!failed()) substitution(into, quoted, script);
    return;
  }
  if (peek() == '{') {
    ++at_;
    return braced(into, quoted);
  }
  WordPart part;
  part.kind = WordPart::Kind::parameter;
  part.quoted = quoted;
  if (is_special(peek()) || (peek() >= '0' && peek() <= '9')) {
    part.text = std::string(1, peek());
    ++at_;
  } else {
    while (is_name_letter(peek(), part.text.empty())) {
      part.text += peek();
      ++at_;
    }
  }
  if (part.text.empty()) return add_text(into, '$', quoted);
  into.push_back(std::move(part));
}

void ShellCompiler::braced(ShellWord& into, bool quoted) {
  WordPart part;
  part.kind = WordPart::Kind::parameter;
  part.quoted = quoted;
  if (peek() == '#' && peek(1) != '}') {
    part.operation = 'l';
    ++at_;
  }
  if (is_special(peek()) || (peek() >= '0' && peek() <= '9')) {
    while (is_special(peek()) || (peek() >= '0' && peek() <= '9')) {
      part.text += peek();
      ++at_;
      if (is_special(part.text[0])) break;
    }
  } else {
    while (is_name_letter(peek(), part.text.empty())) {
      part.text += peek();
      ++at_;
    }
  }
  if (part.text.empty()) return fail("bad substitution ${…}");
  if (take("}")) {
    into.push_back(std::move(part));
    return;
  }
  if (part.operation != 0) return fail("bad substitution ${#…}");
  if (take(":")) part.colon = true;
  const char c = peek();
  if (c == '-' || c == '+' || c == '=' || c == '?' || (!part.colon && (c == '#' || c == '%'))) {
    part.operation = c;
    ++at_;
    if ((c == '#' || c == '%') && peek() == c) {
      part.longest = true;
      ++at_;
    }
  } else {
    return fail("bad substitution ${" + part.text + "…}");
  }
  const std::string_view operand = balanced('{', '}');
  if (failed()) return;
  part.operand = parse_text(operand, false);
  if (quoted) {  // inside "…" nothing of the operand is split
    for (WordPart& inner : part.operand) {
      if (inner.kind != WordPart::Kind::text || part.operation == '-' || part.operation == '+') {
        inner.quoted = true;
      }
    }
  }
  into.push_back(std::move(part));
}

void ShellCompiler::substitution(ShellWord& into, bool quoted, std::string_view script) {
  if (no_substitution_) {
    return fail("$(…) is not supported in patterns and in redirections of compound commands");
  }
  emit(ShellOp::capture_push);
  const std::uint32_t push = here() - 1;
  {  // the same compiler goes on inside the brackets
    const std::string_view outer_text = std::exchange(text_, script);
    const std::size_t outer_at = std::exchange(at_, std::size_t{0});
    auto outer_documents = std::exchange(documents_, {});
    const std::uint32_t outer_line = first_line_;
    const bool outer_substituted = substituted_;
    list({});
    if (!failed() && !at_end()) fail("unexpected text in $(…)");
    text_ = outer_text;
    at_ = failed() ? text_.size() : outer_at;
    documents_ = std::move(outer_documents);
    first_line_ = outer_line;
    substituted_ = outer_substituted;
  }
  WordPart part;
  part.kind = WordPart::Kind::substitution;
  part.quoted = quoted;
  part.slot = code_.slots++;
  code_.code[push].b = emit(ShellOp::capture_pop, part.slot);
  substituted_ = true;
  into.push_back(std::move(part));
}

/// Text that is not split into words: a document, an expression, an operand.
ShellWord ShellCompiler::parse_text(std::string_view text, bool document) {
  ShellWord result;
  const std::string_view outer_text = std::exchange(text_, text);
  const std::size_t outer_at = std::exchange(at_, std::size_t{0});
  while (!at_end() && !failed()) {
    const char c = peek();
    if (c == '\\' && (!document || peek(1) == '$' || peek(1) == '`' || peek(1) == '\\')) {
      ++at_;
      if (!at_end()) add_text(result, peek(), true);
      ++at_;
    } else if (c == '\\' && peek(1) == '\n') {
      at_ += 2;
    } else if (c == '$') {
      dollar(result, document);
    } else if (!document && c == '\'') {
      const std::size_t end = text_.find('\'', at_ + 1);
      if (end == std::string_view::npos) {
        add_text(result, c, true);
        ++at_;
        continue;
      }
      WordPart part;
      part.quoted = true;
      part.text = std::string(text_.substr(at_ + 1, end - at_ - 1));
      result.push_back(std::move(part));
      at_ = end + 1;
    } else if (!document && c == '"') {
      ++at_;
      double_quoted(result);
    } else {
      add_text(result, c, document);
      ++at_;
    }
  }
  text_ = outer_text;
  at_ = failed() ? text_.size() : outer_at;
  return result;
}

void ShellCompiler::here_document(ShellRedirect& redirect, bool strip_tabs) {
  skip_blanks();
  std::string delimiter;
  bool quoted = false;
  while (!at_end() && peek() != ' ' && peek() != '\t' && peek() != '\n' && peek() != ';' &&
         peek() != '&' && peek() != '|' && peek() != '<' && peek() != '>' && peek() != ')') {
    const char c = peek();
    ++at_;
    if (c == '\'' || c == '"' || c == '\\') {
      quoted = true;
    } else {
      delimiter += c;
    }
  }
  if (delimiter.empty()) return fail("a here-document needs a delimiter");
  const std::size_t line_end = text_.find('\n', at_);
  if (line_end == std::string_view::npos) return fail("a here-document is missing");
  const auto earlier = documents_.find(line_end);
  std::size_t at = earlier == documents_.end() ? line_end + 1 : earlier->second;
  std::string body;
  while (true) {
    if (at >= text_.size()) return fail("\"" + delimiter + "\" of a here-document is missing");
    const std::size_t end = std::min(text_.find('\n', at), text_.size());
    std::string_view one = text_.substr(at, end - at);
    at = std::min(end + 1, text_.size());
    if (strip_tabs) one.remove_prefix(std::min(one.find_first_not_of('\t'), one.size()));
    if (one == delimiter) break;
    body.append(one);
    body += '\n';
    if (end == text_.size()) return fail("\"" + delimiter + "\" of a here-document is missing");
  }
  documents_[line_end] = at;
  if (quoted) {
    WordPart part;
    part.quoted = true;
    part.text = std::move(body);
    redirect.target.push_back(std::move(part));
  } else {
    redirect.target = parse_text(body, true);
  }
}

}  // namespace twinhull::sim
