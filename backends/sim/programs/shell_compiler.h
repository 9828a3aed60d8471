// The compiler's inside: one pass from characters to instructions.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "backends/sim/programs/shell_code.h"

namespace twinhull::sim {

/// Recursive descent over the POSIX shell grammar (subset), writing instructions as it goes. Every
/// construct begins with a `nop` that is turned into what a later token asks for (`|`, `&`,
/// redirections). The first error stops everything: `failed()`.
class ShellCompiler {
 public:
  ShellCompiler(std::string_view source, ShellCode& code) : text_(source), code_(code) {}
  /// Whole script. False = see error().
  bool compile();
  [[nodiscard]] const ShellSyntaxError& error() const { return error_; }

 private:
  static constexpr std::uint32_t kMostDepth = 64;
  struct Deeper {
    explicit Deeper(ShellCompiler& owner) : owner_(owner) {
      if (++owner_.depth_ > kMostDepth) owner_.fail("nested too deeply");
    }
    ~Deeper() { --owner_.depth_; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;
    ShellCompiler& owner_;
  };

  // Grammar (shell_compiler.cc).
  void list(const std::vector<std::string_view>& ends);
  void and_or();
  void pipeline();
  void command();
  void simple_command();
  void compound(std::string_view word);
  void if_clause();
  void loop_clause(bool until);
  void for_clause();
  void case_clause();
  void function(std::string name);
  bool redirect(std::vector<ShellRedirect>& into);
  void expect_word(std::string_view word);

  // Words (shell_words.cc).
  bool word(ShellWord& into);
  void dollar(ShellWord& into, bool quoted);
  void braced(ShellWord& into, bool quoted);
  void substitution(ShellWord& into, bool quoted, std::string_view script);
  void double_quoted(ShellWord& into);
  ShellWord parse_text(std::string_view text, bool document);
  std::string_view balanced(char open, char close);
  void here_document(ShellRedirect& redirect, bool strip_tabs);

  // Characters.
  [[nodiscard]] bool failed() const { return failed_; }
  void fail(std::string text);
  [[nodiscard]] char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  [[nodiscard]] bool at_end() const { return at_ >= text_.size(); }
  void skip_blanks();
  /// Newlines, comments and ';' between commands.
  void skip_lines();
  void newline();
  bool take(std::string_view token);
  /// The unquoted word at the present place, without taking it.
  [[nodiscard]] std::string_view peek_name() const;
  [[nodiscard]] bool peek_reserved(std::string_view name) const { return peek_name() == name; }
  [[nodiscard]] std::uint32_t line() const;

  std::uint32_t emit(ShellOp op, std::uint32_t a = 0, std::uint32_t b = 0);
  [[nodiscard]] std::uint32_t here() const { return static_cast<std::uint32_t>(code_.code.size()); }

  std::string_view text_;
  ShellCode& code_;
  std::size_t at_ = 0;
  std::uint32_t depth_ = 0;
  std::uint32_t tested_ = 0;  ///< > 0 inside a condition
  bool failed_ = false;
  bool substituted_ = false;  ///< a $(…) was met in the present command
  bool no_substitution_ = false;
  std::uint32_t first_line_ = 1;
  std::map<std::size_t, std::size_t> documents_;  ///< newline position -> where the text goes on
  ShellSyntaxError error_;
};

}  // namespace twinhull::sim
