// A shell script compiled to instructions for a machine whose state can be saved between any two.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace twinhull::sim {

struct WordPart;
/// One word before expansion.
using ShellWord = std::vector<WordPart>;

struct WordPart {
  enum class Kind : std::uint8_t {
    text,
    parameter,     ///< $x ${x} ${x:-w} …
    substitution,  ///< $(…): result in slot `slot`
    arithmetic,    ///< $((…)): operand expands to the expression
  };
  Kind kind = Kind::text;
  bool quoted = false;
  std::string text;      ///< text, or the parameter's name
  char operation = 0;    ///< 0, '-' '+' '=' '?' '#' '%', 'l' = length
  bool colon = false;    ///< ':-' and its kin: empty counts as unset
  bool longest = false;  ///< '##' and '%%'
  std::uint32_t slot = 0;
  ShellWord operand;
};

struct ShellRedirect {
  enum class Kind : std::uint8_t { read, write, append, duplicate, here };
  int fd = 1;
  Kind kind = Kind::write;
  ShellWord target;  ///< path, number of the descriptor, or the document
};

struct SimpleCommand {
  std::vector<std::pair<std::string, ShellWord>> assignments;
  std::vector<ShellWord> words;
  std::vector<ShellRedirect> redirects;
  bool tested = false;  ///< its failure is looked at: `set -e` does not end the script
  bool substituted = false;  ///< holds a $(…): its status counts when there is no command
  std::uint32_t line = 0;
};

enum class ShellOp : std::uint8_t {
  nop,
  simple,         ///< run commands[a]
  jump,           ///< to a
  jump_if_ok,     ///< when $? is 0
  jump_if_failed,
  negate,
  set_status,     ///< $? = a
  for_begin,      ///< loops[a]: expand the list and enter the loop; b = behind the loop
  for_next,       ///< next value, or jump to b
  loop_begin,     ///< while/until: b = behind the loop
  loop_again,     ///< jump to the head of the innermost loop
  loop_end,       ///< leave the loop's frame
  case_of,        ///< cases[a]: jump to the arm, or to b
  redirect_push,  ///< redirects[a]
  redirect_pop,
  subshell_push,
  subshell_pop,   ///< also the target of exit inside
  capture_push,
  capture_pop,    ///< into slot a
  pipe_open,      ///< like the other pipe ops: b = the end of the stage
  pipe_next,
  pipe_last,
  pipe_close,
  spawn,          ///< run from here to a in the background
  finish,         ///< end of a spawned part, of a script or of eval
  define,         ///< names[a] = function at the next instruction but one; jump to b
  leave,          ///< return from a function
};

struct ShellInstruction {
  ShellOp op = ShellOp::nop;
  std::uint32_t a = 0, b = 0;
};

struct ShellFor {
  std::string variable;
  bool parameters = false;  ///< no "in": over "$@"
  std::vector<ShellWord> words;
};

struct ShellCase {
  ShellWord subject;
  struct Arm {
    std::vector<ShellWord> patterns;
    std::uint32_t target = 0;
  };
  std::vector<Arm> arms;
};

struct ShellCode {
  std::string source;  ///< from it the code can be made again
  std::vector<ShellInstruction> code;
  std::vector<SimpleCommand> commands;
  std::vector<ShellFor> loops;
  std::vector<ShellCase> cases;
  std::vector<std::vector<ShellRedirect>> redirects;
  std::vector<std::string> names;
  std::uint32_t slots = 0;
};

/// Why a script cannot be compiled.
struct ShellSyntaxError {
  std::uint32_t line = 0;
  std::string text;
};

/// Compiles; bounded in depth (64 nested constructs) and size (1 MiB): any bytes may be given.
std::variant<std::shared_ptr<const ShellCode>, ShellSyntaxError> compile_shell(std::string_view source);

}  // namespace twinhull::sim
