#include "backends/sim/programs/arithmetic.h"

#include <charconv>
#include <limits>

namespace twinhull::sim {
namespace {

/// Precedence climbing; depth bounded by kMostDepth.
class Evaluator {
 public:
  Evaluator(std::string_view text, const std::function<std::string(const std::string&)>& variable)
      : text_(text), variable_(variable) {}

  std::optional<std::int64_t> run(std::string& error) {
    const std::int64_t value = binary(0);
    blanks();
    if (error_.empty() && at_ < text_.size()) error_ = "unexpected \"" + std::string(1, text_[at_]) + "\"";
    if (!error_.empty()) {
      error = error_;
      return std::nullopt;
    }
    return value;
  }

 private:
  struct Operator {
    std::string_view text;
    int level;
  };
  static constexpr Operator kOperators[] = {{"||", 1}, {"&&", 2}, {"==", 3}, {"!=", 3}, {"<=", 4},
                                            {">=", 4}, {"<", 4},  {">", 4},  {"+", 5},  {"-", 5},
                                            {"*", 6},  {"/", 6},  {"%", 6}};
  static constexpr int kMostDepth = 100;

  void blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n')) {
      ++at_;
    }
  }
  std::int64_t binary(int level) {
    std::int64_t left = unary();
    while (error_.empty()) {
      blanks();
      const Operator* found = nullptr;
      for (const Operator& candidate : kOperators) {
        if (text_.substr(at_).starts_with(candidate.text)) {
          found = &candidate;
          break;
        }
      }
      if (found == nullptr || found->level <= level) return left;
      at_ += found->text.size();
      const std::int64_t right = binary(found->level);
      left = apply(found->text, left, right);
    }
    return 0;
  }
  std::int64_t apply(std::string_view op, std::int64_t a, std::int64_t b) {
    const auto ua = static_cast<std::uint64_t>(a), ub = static_cast<std::uint64_t>(b);
    if (op == "||") return (a != 0 || b != 0) ? 1 : 0;
    if (op == "&&") return (a != 0 && b != 0) ? 1 : 0;
    if (op == "==") return a == b ? 1 : 0;
    if (op == "!=") return a != b ? 1 : 0;
    if (op == "<=") return a <= b ? 1 : 0;
    if (op == ">=") return a >= b ? 1 : 0;
    if (op == "<") return a < b ? 1 : 0;
    if (op == ">") return a > b ? 1 : 0;
    if (op == "+") return static_cast<std::int64_t>(ua + ub);
    if (op == "-") return static_cast<std::int64_t>(ua - ub);
    if (op == "*") return static_cast<std::int64_t>(ua * ub);
    if (b == 0) {
      error_ = "division by zero";
      return 0;
    }
    if (b == -1) return op == "/" ? static_cast<std::int64_t>(0 - ua) : 0;
    return op == "/" ? a / b : a % b;
  }
  std::int64_t unary() {
    if (++depth_ > kMostDepth) error_ = "nested too deeply";
    std::int64_t value = 0;
    blanks();
    if (!error_.empty()) {
    } else if (at_ >= text_.size()) {
      value = 0;
      if (text_.find_first_not_of(" \t\n") != std::string_view::npos) error_ = "a value is missing";
    } else if (text_[at_] == '-') {
      ++at_;
      value = static_cast<std::int64_t>(0 - static_cast<std::uint64_t>(unary()));
    } else if (text_[at_] == '+') {
      ++at_;
      value = unary();
    } else if (text_[at_] == '!') {
      ++at_;
      value = unary() == 0 ? 1 : 0;
    } else if (text_[at_] == '(') {
      ++at_;
      value = binary(0);
      blanks();
      if (at_ < text_.size() && text_[at_] == ')') {
        ++at_;
      } else if (error_.empty()) {
        error_ = "\")\" is missing";
      }
    } else {
      value = primary();
    }
    --depth_;
    return value;
  }
  std::int64_t primary() {
    const auto letter = [&](std::size_t i) {
      const char c = i < text_.size() ? text_[i] : ' ';
      return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    };
    std::size_t end = at_;
    while (letter(end)) ++end;
    if (end == at_) {
      error_ = "unexpected \"" + std::string(1, text_[at_]) + "\"";
      return 0;
    }
    std::string name(text_.substr(at_, end - at_));
    at_ = end;
    if (name[0] < '0' || name[0] > '9') name = variable_(name);
    if (name.empty()) return 0;
    std::int64_t value = 0;
    const auto [rest, code] = std::from_chars(name.data(), name.data() + name.size(), value);
    if (code != std::errc{} || rest != name.data() + name.size()) {
      error_ = "\"" + name.substr(0, 40) + "\" is no number";
    }
    return value;
  }

  std::string_view text_;
  const std::function<std::string(const std::string&)>& variable_;
  std::size_t at_ = 0;
  int depth_ = 0;
  std::string error_;
};

}  // namespace

std::optional<std::int64_t> evaluate_arithmetic(
    std::string_view expression, const std::function<std::string(const std::string&)>& variable,
    std::string& error) {
  return Evaluator(expression, variable).run(error);
}

}  // namespace twinhull::sim
