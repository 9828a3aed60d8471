// Applets that every script uses: echo, printf, test, sleep, seq, env, id, date; and the table.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "backends/sim/engine/random.h"
#include "backends/sim/programs/applets.h"
#include "backends/sim/programs/load.h"

namespace twinhull::sim {
namespace {

/// \n \t \\ \0NNN and their kin. False at \c: output ends.
bool escape(std::string_view text, std::string& out) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 >= text.size()) {
      out += text[i];
      continue;
    }
    const char c = text[++i];
    switch (c) {
      case 'n': out += '\n'; break;
      case 't': out += '\t'; break;
      case 'r': out += '\r'; break;
      case 'a': out += '\a'; break;
      case '\\': out += '\\'; break;
      case 'c': return false;
      case '0': {
        unsigned value = 0;
        std::size_t digits = 0;
        while (digits < 3 && i + 1 < text.size() && text[i + 1] >= '0' && text[i + 1] <= '7') {
          value = value * 8 + static_cast<unsigned>(text[++i] - '0');
          ++digits;
        }
        out += static_cast<char>(value & 0xffU);
        break;
      }
      default:
        out += '\\';
        out += c;
    }
  }
  return true;
}

int echo(AppletCall& call) {
  std::size_t i = 1;
  bool newline = true, escapes = false;
  for (; i < call.argv.size(); ++i) {
    const std::string& word = call.argv[i];
    if (word.size() < 2 || word[0] != '-' || word.find_first_not_of("neE", 1) != std::string::npos) break;
    newline = newline && word.find('n') == std::string::npos;
    escapes = escapes || word.find('e') != std::string::npos;
  }
  for (std::size_t first = i; i < call.argv.size(); ++i) {
    if (i > first) call.out += ' ';
    if (!escapes) {
      call.out += call.argv[i];
    } else if (!escape(call.argv[i], call.out)) {
      return 0;
    }
  }
  if (newline) call.out += '\n';
  return 0;
}

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string padded(std::string text, std::string_view flags, std::size_t width) {
  width = std::min<std::size_t>(width, 1000);
  if (text.size() >= width) return text;
  const std::size_t fill = width - text.size();
  if (flags.find('-') != std::string_view::npos) return text + std::string(fill, ' ');
  const bool zero = flags.find('0') != std::string_view::npos;
  return std::string(fill, zero ? '0' : ' ') + text;
}

int print_formatted(AppletCall& call) {
  if (call.argv.size() < 2) return call.refuse("a format is missing");
  const std::string& format = call.argv[1];
  std::size_t next = 2;
  int status = 0;
  const auto argument = [&]() -> std::string {
    return next < call.argv.size() ? call.argv[next++] : std::string();
  };
  do {  // the format is used again while there are arguments
    const std::size_t before = next;
    for (std::size_t i = 0; i < format.size(); ++i) {
      if (format[i] == '\\') {
        std::size_t length = 2;
        if (i + 1 < format.size() && format[i + 1] == '0') {
          while (length < 5 && i + length < format.size() && format[i + length] >= '0' &&
                 format[i + length] <= '7') {
            ++length;
          }
        }
        if (!escape(std::string_view(format).substr(i, length), call.out)) return status;
        i += length - 1;
        continue;
      }
      if (format[i] != '%') {
        call.out += format[i];
        continue;
      }
      std::string flags;
      std::size_t width = 0, precision = std::string::npos;
      ++i;
      while (i < format.size() && (format[i] == '-' || format[i] == '0' || format[i] == '+')) {
        flags += format[i++];
      }
      while (i < format.size() && format[i] >= '0' && format[i] <= '9' && width < 10000) {
        width = width * 10 + static_cast<std::size_t>(format[i++] - '0');
      }
      if (i < format.size() && format[i] == '.') {
        precision = 0;
        ++i;
        while (i < format.size() && format[i] >= '0' && format[i] <= '9' && precision < 10000) {
          precision = precision * 10 + static_cast<std::size_t>(format[i++] - '0');
        }
      }
      if (i >= format.size()) return call.refuse("the format ends in the middle");
      switch (format[i]) {
        case '%': call.out += '%'; break;
        case 's': call.out += padded(argument().substr(0, precision), flags, width); break;
        case 'b': {
          std::string text;
          const bool more = escape(argument(), text);
          call.out += padded(text, flags, width);
          if (!more) return status;
          break;
        }
        case 'c': call.out += argument().substr(0, 1); break;
        case 'd':
        case 'i':
        case 'u':
        case 'x':
        case 'o': {
          const std::string text = argument();
          const auto value = text.empty() ? std::optional<std::int64_t>(0) : number(text);
          if (!value) status = call.refuse(text + ": not a number");
          const std::int64_t shown = value.value_or(0);
          const char kind = format[i];
          call.out += padded(kind == 'x'   ? fmt::format("{:x}", static_cast<std::uint64_t>(shown))
                             : kind == 'o' ? fmt::format("{:o}", static_cast<std::uint64_t>(shown))
                                           : std::to_string(shown),
                             flags, width);
          break;
        }
        default: return call.refuse(std::string("%") + format[i] + " is not supported");
      }
      if (call.out.size() > OutputBuffer::kMost) return 1;
    }
    if (next == before) break;
  } while (next < call.argv.size());
  return status;
}

/// test(1). Bounded depth; anything odd is status 2.
class Test {
 public:
  Test(AppletCall& call, std::vector<std::string> words) : call_(call), words_(std::move(words)) {}
  int run() {
    if (words_.empty()) return 1;
    const bool value = either(0);
    if (!wrong_ && at_ != words_.size()) wrong_ = true;
    if (wrong_) {
      call_.err += std::string(call_.name()) + ": bad expression\n";
      return 2;
    }
    return value ? 0 : 1;
  }

 private:
  [[nodiscard]] bool more() const { return at_ < words_.size(); }
  bool either(int depth) {
    bool value = both(depth);
    while (more() && words_[at_] == "-o") {
      ++at_;
      const bool right = both(depth);
      value = value || right;
    }
    return value;
  }
  bool both(int depth) {
    bool value = one(depth);
    while (more() && words_[at_] == "-a") {
      ++at_;
      const bool right = one(depth);
      value = value && right;
    }
    return value;
  }
  bool one(int depth) {
    if (!more() || depth > 50) {
      wrong_ = true;
      return false;
    }
    const std::size_t left = words_.size() - at_;
    if (left >= 3 && binary_operator(words_[at_ + 1])) {
      const std::string a = words_[at_], op = words_[at_ + 1], b = words_[at_ + 2];
      at_ += 3;
      return compare(a, op, b);
    }
    const std::string word = words_[at_];
    if (word == "!" && left > 1) {
      ++at_;
      return !one(depth + 1);
    }
    if (word == "(" && left > 1) {
      ++at_;
      const bool value = either(depth + 1);
      if (!more() || words_[at_] != ")") wrong_ = true;
      ++at_;
      return value;
    }
    if (word.size() == 2 && word[0] == '-' && left >= 2) {
      const std::string operand = words_[at_ + 1];
      at_ += 2;
      return unary(word[1], operand);
    }
    ++at_;
    return !word.empty();
  }
  static bool binary_operator(const std::string& op) {
    return op == "=" || op == "==" || op == "!=" || op == "-eq" || op == "-ne" || op == "-lt" ||
           op == "-le" || op == "-gt" || op == "-ge" || op == "-nt" || op == "-ot";
  }
  bool compare(const std::string& a, const std::string& op, const std::string& b) {
    if (op == "=" || op == "==") return a == b;
    if (op == "!=") return a != b;
    if (op == "-nt" || op == "-ot") {
      const auto x = call_.files.stat_target(call_.path(a)), y = call_.files.stat_target(call_.path(b));
      if (!x || !*x || !y || !*y) return false;
      return op == "-nt" ? (*x)->modified > (*y)->modified : (*x)->modified < (*y)->modified;
    }
    const auto x = number(a), y = number(b);
    if (!x || !y) {
      wrong_ = true;
      return false;
    }
    if (op == "-eq") return *x == *y;
    if (op == "-ne") return *x != *y;
    if (op == "-lt") return *x < *y;
    if (op == "-le") return *x <= *y;
    if (op == "-gt") return *x > *y;
    return *x >= *y;
  }
  bool unary(char op, const std::string& operand) {
    if (op == 'n') return !operand.empty();
    if (op == 'z') return operand.empty();
    if (op == 't') return false;
    const std::string path = call_.path(operand);
    const auto link = call_.files.stat(path);
    if (op == 'L' || op == 'h') return link && *link && (*link)->kind == FileKind::symlink;
    const auto info = call_.files.stat_target(path);
    if (!info || !*info) return op == 'e' && read_special(call_.table, call_.process, path).has_value();
    switch (op) {
      case 'e': return true;
      case 'f': return (*info)->kind == FileKind::regular;
      case 'd': return (*info)->kind == FileKind::directory;
      case 's': return (*info)->size.value > 0;
      case 'r':
      case 'w': return true;  // programs run as root
      case 'x':
        return (*info)->kind == FileKind::directory || ((*info)->mode & 0111U) != 0;
      case 'c':
      case 'b': return (*info)->kind == FileKind::device;
      case 'p': return (*info)->kind == FileKind::fifo;
      case 'S': return (*info)->kind == FileKind::socket;
      default: wrong_ = true; return false;
    }
  }
  AppletCall& call_;
  std::vector<std::string> words_;
  std::size_t at_ = 0;
  bool wrong_ = false;
};

int test(AppletCall& call) {
  std::vector<std::string> words(call.argv.begin() + 1, call.argv.end());
  if (call.name() == "[") {
    if (words.empty() || words.back() != "]") {
      call.err += "[: missing ]\n";
      return 2;
    }
    words.pop_back();
  }
  return Test(call, std::move(words)).run();
}

int sleep(AppletCall& call) {
  Duration total{0};
  if (call.argv.size() < 2) return call.refuse("missing operand");
  for (std::size_t i = 1; i < call.argv.size(); ++i) {
    const auto length = parse_seconds(call.argv[i]);
    if (!length) return call.refuse("invalid number '" + call.argv[i] + "'");
    total = std::min(total + *length, Duration(std::int64_t{1} << 60));
  }
  call.then = std::make_unique<DelayProgram>(total, 0);
  return 0;
}

int seq(AppletCall& call) {
  std::vector<std::int64_t> values;
  for (std::size_t i = 1; i < call.argv.size(); ++i) {
    const auto value = number(call.argv[i]);
    if (!value) return call.refuse("invalid number '" + call.argv[i] + "'");
    values.push_back(*value);
  }
  if (values.empty() || values.size() > 3) return call.refuse("usage: seq [FIRST [STEP]] LAST");
  const std::int64_t first = values.size() > 1 ? values[0] : 1;
  const std::int64_t step = values.size() > 2 ? values[1] : 1;
  const std::int64_t last = values.back();
  if (step == 0) return call.refuse("the step is zero");
  std::int64_t at = first;
  while (step > 0 ? at <= last : at >= last) {
    call.out += std::to_string(at);
    call.out += '\n';
    if (call.out.size() > (std::size_t{4} << 20)) return call.refuse("too many numbers");
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  return 0;
}

int env(AppletCall& call) {
  std::size_t i = 1;
  for (; i < call.argv.size(); ++i) {
    const std::size_t equals = call.argv[i].find('=');
    if (call.argv[i] == "-i") {
      call.environment.clear();
    } else if (equals != std::string::npos && equals > 0) {
      call.environment[call.argv[i].substr(0, equals)] = call.argv[i].substr(equals + 1);
    } else {
      break;
    }
  }
  if (i >= call.argv.size()) {
    for (const auto& [name, value] : call.environment) call.out += name + "=" + value + "\n";
    return 0;
  }
  call.argv.erase(call.argv.begin(), call.argv.begin() + static_cast<std::ptrdiff_t>(i));
  call.then = std::make_unique<LaunchProgram>();
  return 0;
}

int id(AppletCall& call) {
  const bool name = std::find(call.argv.begin(), call.argv.end(), "-un") != call.argv.end();
  if (name || call.name() == "whoami") {
    call.out += "root\n";
  } else if (call.argv.size() > 1 && call.argv[1].starts_with('-')) {
    call.out += "0\n";
  } else {
    call.out += "uid=0(root) gid=0(root) groups=0(root)\n";
  }
  return 0;
}

/// Calendar time: the world begins on 2026-01-01 00:00:00 UTC.
int date(AppletCall& call) {
  const auto time = std::chrono::floor<std::chrono::seconds>(
      kWorldBegins + call.table.node().engine.now().time_since_epoch());
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day ymd(day);
  const auto clock = std::chrono::hh_mm_ss(time - day);
  std::string format = "%a %b %d %H:%M:%S UTC %Y";
  for (std::size_t i = 1; i < call.argv.size(); ++i) {
    if (call.argv[i].starts_with('+')) format = call.argv[i].substr(1);
    else if (call.argv[i] != "-u") return call.refuse("setting the time is not supported");
  }
  static constexpr std::string_view kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const unsigned month = static_cast<unsigned>(ymd.month()), mday = static_cast<unsigned>(ymd.day());
  const std::chrono::weekday weekday(day);
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 >= format.size()) {
      call.out += format[i];
      continue;
    }
    switch (format[++i]) {
      case 's': call.out += std::to_string(time.time_since_epoch().count()); break;
      case 'N': call.out += fmt::format("{:09}", call.table.node().engine.now().time_since_epoch().count() % 1'000'000'000); break;
      case 'Y': call.out += std::to_string(static_cast<int>(ymd.year())); break;
      case 'm': call.out += fmt::format("{:02}", month); break;
      case 'd': call.out += fmt::format("{:02}", mday); break;
      case 'F': call.out += fmt::format("{}-{:02}-{:02}", static_cast<int>(ymd.year()), month, mday); break;
      case 'H': call.out += fmt::format("{:02}", clock.hours().count()); break;
      case 'M': call.out += fmt::format("{:02}", clock.minutes().count()); break;
      case 'S': call.out += fmt::format("{:02}", clock.seconds().count()); break;
      case 'T': call.out += fmt::format("{:02}:{:02}:{:02}", clock.hours().count(), clock.minutes().count(), clock.seconds().count()); break;
      case 'a': call.out += kDays[weekday.c_encoding() % 7]; break;
      case 'b': call.out += kMonths[(month - 1) % 12]; break;
      case '%': call.out += '%'; break;
      default: return call.refuse("this format is not supported");
    }
  }
  call.out += '\n';
  return 0;
}

int yes(AppletCall&) { return 0; }
int no(AppletCall&) { return 1; }
int working_directory(AppletCall& call) {
  call.out += call.directory + "\n";
  return 0;
}

/// The shell is launched before applets are looked up; as an applet it only has a name.
constexpr AppletEntry kBasic[] = {
    {"echo", &echo}, {"printf", &print_formatted}, {"test", &test},   {"[", &test},
    {"sleep", &sleep}, {"seq", &seq},              {"env", &env},     {"id", &id},
    {"whoami", &id},   {"date", &date},            {"true", &yes},    {"false", &no},
    {"pwd", &working_directory},                   {"vzload", &applet_vzload}};

}  // namespace

std::span<const AppletEntry> basic_applets() { return kBasic; }

Applet find_applet(std::string_view name) {
  for (const auto& table : {basic_applets(), file_applets(), copy_applets(), text_applets(), system_applets()}) {
    for (const AppletEntry& entry : table) {
      if (entry.name == name) return entry.run;
    }
  }
  return nullptr;
}

std::vector<std::string> applet_names() {
  std::vector<std::string> names{"sh", "ash"};
  for (const auto& table : {basic_applets(), file_applets(), copy_applets(), text_applets(), system_applets()}) {
    for (const AppletEntry& entry : table) names.emplace_back(entry.name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace twinhull::sim
