// Applets on text: grep head tail wc cut tr sed sort uniq tee.
#include <algorithm>
#include <charconv>

#include "backends/sim/programs/applets.h"
#include "backends/sim/programs/pattern.h"

namespace twinhull::sim {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

/// Content of the named files, or of the input. A missing file sets `status`.
std::vector<std::pair<std::string, std::string>> inputs(AppletCall& call,
                                                        const std::vector<std::string>& names,
                                                        int& status, int failure) {
  std::vector<std::pair<std::string, std::string>> result;
  if (names.empty()) result.emplace_back("-", call.rest_of_input());
  for (const std::string& name : names) {
    if (name == "-") {
      result.emplace_back(name, call.rest_of_input());
      continue;
    }
    auto text = read_for(call.table, call.process, call.path(name));
    if (text) {
      result.emplace_back(name, std::move(*text));
    } else {
      call.refuse(name, text.error());
      status = failure;
    }
  }
  return result;
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

int grep(AppletCall& call) {
  bool quiet = false, invert = false, whole = false, fixed = false, extended = false;
  bool count = false, fold = false, names = false, silent = false, only = false, numbers = false;
  std::vector<std::string> patterns, operands;
  for (std::size_t i = 1; i < call.argv.size(); ++i) {
    const std::string& word = call.argv[i];
    if (word == "-e" && i + 1 < call.argv.size()) {
      patterns.push_back(call.argv[++i]);
      continue;
    }
    if (word.size() < 2 || word[0] != '-') {
      operands.push_back(word);
      continue;
    }
    for (char c : word.substr(1)) {
      switch (c) {
        case 'q': quiet = true; break;
        case 'v': invert = true; break;
        case 'x': whole = true; break;
        case 'F': fixed = true; break;
        case 'E': extended = true; break;
        case 'c': count = true; break;
        case 'i': fold = true; break;
        case 'l': names = true; break;
        case 's': silent = true; break;
        case 'o': only = true; break;
        case 'n': numbers = true; break;
        default: call.refuse(std::string("unknown option -") + c); return 2;
      }
    }
  }
  if (patterns.empty()) {
    if (operands.empty()) {
      call.refuse("a pattern is missing");
      return 2;
    }
    patterns.push_back(operands.front());
    operands.erase(operands.begin());
  }
  const auto lower = [&](std::string text) {
    if (fold) {
      for (char& c : text) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
      }
    }
    return text;
  };
  std::vector<Regex> expressions;
  for (std::string& pattern : patterns) {
    pattern = lower(pattern);
    if (fixed) continue;
    auto parsed = Regex::parse(pattern, extended);
    if (!parsed) {
      call.refuse("this expression is not supported: " + pattern);
      return 2;
    }
    expressions.push_back(std::move(*parsed));
  }
  int status = 0;
  bool any = false;
  const std::size_t before = call.err.size();
  const auto texts = inputs(call, operands, status, 2);
  if (silent || quiet) call.err.resize(before);
  for (const auto& [name, text] : texts) {
    std::uint64_t matches = 0, line_number = 0;
    for (const std::string& line : lines_of(text)) {
      ++line_number;
      const std::string subject = lower(line);
      std::optional<std::pair<std::size_t, std::size_t>> found;
      if (fixed) {
        for (const std::string& pattern : patterns) {
          const std::size_t at = subject.find(pattern);
          if (whole ? subject == pattern : at != std::string::npos) found = {whole ? 0 : at, pattern.size()};
        }
      } else {
        for (const Regex& expression : expressions) {
          const auto match = expression.find(subject);
          if (match && (!whole || (match->begin == 0 && match->end == subject.size()))) {
            found = {match->begin, match->end - match->begin};
          }
        }
      }
      if (found.has_value() == invert) continue;
      ++matches;
      any = true;
      if (quiet || count || names) continue;
      if (texts.size() > 1) call.out += name + ":";
      if (numbers) call.out += std::to_string(line_number) + ":";
      call.out += (only && found ? line.substr(found->first, found->second) : line) + "\n";
    }
    if (count && !quiet) call.out += (texts.size() > 1 ? name + ":" : "") + std::to_string(matches) + "\n";
    if (names && matches > 0 && !quiet) call.out += name + "\n";
  }
  if (any && quiet) return 0;
  return status != 0 ? status : any ? 0 : 1;
}

int head_or_tail(AppletCall& call) {
  const bool head = call.name() == "head";
  std::uint64_t count = 10;
  bool bytes = false, from = false;
  std::vector<std::string> operands;
  for (std::size_t i = 1; i < call.argv.size(); ++i) {
    const std::string& word = call.argv[i];
    std::string value;
    if ((word == "-n" || word == "-c") && i + 1 < call.argv.size()) {
      bytes = word == "-c";
      value = call.argv[++i];
    } else if (word.size() > 1 && word[0] == '-') {
      bytes = word[1] == 'c';
      value = word.substr(word[1] == 'n' || word[1] == 'c' ? 2 : 1);
    } else {
      operands.push_back(word);
      continue;
    }
    from = value.starts_with('+');
    if (from) value.erase(0, 1);
    const auto parsed = number(value);
    if (!parsed) return call.refuse("invalid number '" + value + "'");
    count = *parsed;
  }
  int status = 0;
  for (const auto& [name, text] : inputs(call, operands, status, 1)) {
    if (bytes) {
      call.out += head ? text.substr(0, count) : text.substr(text.size() - std::min<std::uint64_t>(count, text.size()));
      continue;
    }
    const std::vector<std::string> lines = lines_of(text);
    std::size_t begin = 0, end = lines.size();
    if (head) end = std::min<std::uint64_t>(count, lines.size());
    else if (from) begin = std::min<std::uint64_t>(count == 0 ? 0 : count - 1, lines.size());
    else begin = lines.size() - std::min<std::uint64_t>(count, lines.size());
    for (std::size_t i = begin; i < end; ++i) call.out += lines[i] + "\n";
  }
  return status;
}

int wc(AppletCall& call) {
  std::string flags;
  std::vector<std::string> operands;
  for (std::size_t i = 1; i < call.argv.size(); ++i) {
    if (call.argv[i].size() > 1 && call.argv[i][0] == '-') flags += call.argv[i].substr(1);
    else operands.push_back(call.argv[i]);
  }
  if (flags.empty()) flags = "lwc";
  int status = 0;
  for (const auto& [name, text] : inputs(call, operands, status, 1)) {
    std::uint64_t words = 0;
    bool inside = false;
    for (char c : text) {
      const bool blank = c == ' ' || c == '\t' || c == '\n';
      if (!blank && !inside) ++words;
      inside = !blank;
    }
    std::string line;
    const auto add = [&](std::uint64_t value) { line += (line.empty() ? "" : " ") + std::to_string(value); };
    if (flags.find('l') != std::string::npos) {
      add(static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n')));
    }
    if (flags.find('w') != std::string::npos) add(words);
    if (flags.find('c') != std::string::npos) add(text.size());
    call.out += line + (operands.empty() ? "" : " " + name) + "\n";
  }
  return status;
}

/// "1,3-5,7-": whether position n (from 1) is chosen.
std::optional<std::vector<std::pair<std::uint64_t, std::uint64_t>>> ranges_of(const std::string& text) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  std::size_t at = 0;
  while (at <= text.size()) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    const std::string part = text.substr(at, end - at);
    at = end + 1;
    const std::size_t dash = part.find('-');
    const auto first = dash == 0 ? std::optional<std::uint64_t>(1) : number(part.substr(0, dash));
    if (!first || *first == 0) return std::nullopt;
    std::uint64_t last = *first;
    if (dash != std::string::npos) {
      last = kUnlimited;
      if (dash + 1 < part.size()) {
        const auto given = number(part.substr(dash + 1));
        if (!given) return std::nullopt;
        last = *given;
      }
    }
    ranges.emplace_back(*first, last);
  }
  return ranges;
}

int cut(AppletCall& call) {
  char delimiter = '\t', mode = 0;
  bool only = false;
  std::string list;
  std::vector<std::string> operands;
  for (std::size_t i = 1; i < call.argv.size(); ++i) {
    const std::string& word = call.argv[i];
    if (word.size() >= 2 && word[0] == '-' && (word[1] == 'd' || word[1] == 'f' || word[1] == 'c' || word[1] == 'b')) {
      std::string value = word.substr(2);
      if (value.empty() && i + 1 < call.argv.size()) value = call.argv[++i];
      if (word[1] == 'd') {
        delimiter = value.empty() ? '\t' : value[0];
      } else {
        mode = word[1] == 'f' ? 'f' : 'c';
        list = value;
      }
    } else if (word == "-s") {
      only = true;
    } else {
      operands.push_back(word);
    }
  }
  const auto ranges = mode == 0 ? std::nullopt : ranges_of(list);
  if (!ranges) return call.refuse("a list of fields or characters is needed");
  const auto chosen = [&](std::uint64_t n) {
    return std::any_of(ranges->begin(), ranges->end(),
                       [&](const auto& range) { return range.first <= n && n <= range.second; });
  };
  int status = 0;
  for (const auto& [name, text] : inputs(call, operands, status, 1)) {
    for (const std::string& line : lines_of(text)) {
      std::string result;
      if (mode == 'c') {
        for (std::size_t i = 0; i < line.size(); ++i) {
          if (chosen(i + 1)) result += line[i];
        }
      } else if (line.find(delimiter) == std::string::npos) {
        if (only) continue;
        result = line;
      } else {
        std::uint64_t field = 1;
        std::size_t at = 0;
        bool first = true;
        while (true) {
          const std::size_t end = std::min(line.find(delimiter, at), line.size());
          if (chosen(field)) {
            if (!first) result += delimiter;
            result += line.substr(at, end - at);
            first = false;
          }
          if (end == line.size()) break;
          at = end + 1;
          ++field;
        }
      }
      call.out += result + "\n";
    }
  }
  return status;
}

/// "a-z", "[:upper:]", escapes.
std::string letters_of(const std::string& text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto named = [&](std::string_view name, char low, char high) {
      if (!std::string_view(text).substr(i).starts_with(name)) return false;
      for (char c = low; c <= high; ++c) result += c;
      i += name.size() - 1;
      return true;
    };
    if (named("[:upper:]", 'A', 'Z') || named("[:lower:]", 'a', 'z') || named("[:digit:]", '0', '9')) continue;
    if (named("[:space:]", ' ', ' ')) {
      result += "\t\n\r";
      continue;
    }
    char c = text[i];
    if (c == '\\' && i + 1 < text.size()) {
      c = text[++i];
      if (c == 'n') c = '\n';
      if (c == 't') c = '\t';
    }
    if (i + 2 < text.size() && text[i + 1] == '-') {
      for (int code = static_cast<unsigned char>(c); code <= static_cast<unsigned char>(text[i + 2]); ++code) {
        result += static_cast<char>(code);
      }
      i += 2;
    } else {
      result += c;
    }
  }
  return result;
}

int tr(AppletCall& call) {
  bool erase = false, squeeze = false, complement = false;
  std::vector<std::string> operands;
  for (std::size_t i = 1; i < call.argv.size(); ++i) {
    const std::string& word = call.argv[i];
    if (operands.empty() && word.size() > 1 && word[0] == '-') {
      erase = erase || word.find('d') != std::string::npos;
      squeeze = squeeze || word.find('s') != std::string::npos;
      complement = complement || word.find('c') != std::string::npos;
    } else {
      operands.push_back(word);
    }
  }
  if (operands.empty()) return call.refuse("missing operand");
  const std::string from = letters_of(operands[0]);
  const std::string to = operands.size() > 1 ? letters_of(operands[1]) : std::string();
  const std::string input = call.rest_of_input();
  const std::string& squeezed = to.empty() ? from : to;
  for (char c : input) {
    const std::size_t at = from.find(c);
    const bool inside = (at != std::string::npos) != complement;
    char result = c;
    if (inside) {
      if (erase) continue;
      if (!to.empty()) result = complement ? to.back() : to[std::min(at, to.size() - 1)];
    }
    if (squeeze && !call.out.empty() && call.out.back() == result &&
        squeezed.find(result) != std::string::npos) {
      continue;
    }
    call.out += result;
  }
  return 0;
}

struct SedCommand {
  std::optional<Regex> address;
  std::uint64_t line = 0;  ///< address by number; 0 = none
  bool last = false;
  char action = 's';
  std::optional<Regex> pattern;
  std::string replacement;
  bool global = false, print = false;
};

/// Text up to an unescaped delimiter; `at` moves behind it.
std::optional<std::string> until(const std::string& text, std::size_t& at, char delimiter) {
  std::string result;
  while (at < text.size()) {
    if (text[at] == '\\' && at + 1 < text.size()) {
      if (text[at + 1] != delimiter) result += '\\';
      result += text[at + 1];
      at += 2;
    } else if (text[at] == delimiter) {
      ++at;
      return result;
    } else {
      result += text[at++];
    }
  }
  return std::nullopt;
}

bool parse_sed(const std::string& text, bool extended, std::vector<SedCommand>& commands) {
  std::size_t at = 0;
  while (at < text.size()) {
    if (text[at] == ' ' || text[at] == ';' || text[at] == '\n') {
      ++at;
      continue;
    }
    SedCommand command;
    if (text[at] == '/') {
      ++at;
      const auto address = until(text, at, '/');
      if (!address || !(command.address = Regex::parse(*address, extended))) return false;
    } else if (text[at] == '$') {
      command.last = true;
      ++at;
    } else {
      while (at < text.size() && text[at] >= '0' && text[at] <= '9' && command.line < 1'000'000'000) {
        command.line = command.line * 10 + static_cast<std::uint64_t>(text[at++] - '0');
      }
    }
    while (at < text.size() && text[at] == ' ') ++at;
    if (at >= text.size()) return false;
    command.action = text[at++];
    if (command.action == 's') {
      if (at >= text.size()) return false;
      const char delimiter = text[at++];
      const auto pattern = until(text, at, delimiter);
      const auto replacement = pattern ? until(text, at, delimiter) : std::nullopt;
      if (!replacement || !(command.pattern = Regex::parse(*pattern, extended))) return false;
      command.replacement = *replacement;
      while (at < text.size() && (text[at] == 'g' || text[at] == 'p')) {
        (text[at] == 'g' ? command.global : command.print) = true;
        ++at;
      }
    } else if (command.action != 'd' && command.action != 'p' && command.action != 'q') {
      return false;
    }
    commands.push_back(std::move(command));
    if (commands.size() > 1000) return false;
  }
  return true;
}

std::string substitute(const SedCommand& command, const std::string& line, bool& changed) {
  std::string result;
  std::size_t at = 0;
  while (at <= line.size()) {
    const auto match = command.pattern->find(line, at);
    if (!match) break;
    changed = true;
    result += line.substr(at, match->begin - at);
    for (std::size_t i = 0; i < command.replacement.size(); ++i) {
      const char c = command.replacement[i];
      if (c == '&') {
        result += match->groups[0];
      } else if (c == '\\' && i + 1 < command.replacement.size()) {
        const char next = command.replacement[++i];
        if (next >= '0' && next <= '9') {
          const auto group = static_cast<std::size_t>(next - '0');
          if (group < match->groups.size()) result += match->groups[group];
        } else {
          result += next == 'n' ? '\n' : next;
        }
      } else {
        result += c;
      }
    }
    if (result.size() > (std::size_t{4} << 20)) break;
    at = match->end;
    if (match->end == match->begin) {
      if (at < line.size()) result += line[at];
      ++at;
    }
    if (!command.global) break;
  }
  if (at < line.size()) result += line.substr(at);
  return result;
}

int sed(AppletCall& call) {
  bool in_place = false, quiet = false, extended = false;
  std::vector<std::string> scripts, operands;
  for (std::size_t i = 1; i < call.argv.size(); ++i) {
    const std::string& word = call.argv[i];
    if (word == "-e" && i + 1 < call.argv.size()) scripts.push_back(call.argv[++i]);
    else if (word == "-n") quiet = true;
    else if (word == "-E" || word == "-r") extended = true;
    else if (word.starts_with("-i")) in_place = true;
    else operands.push_back(word);
  }
  if (scripts.empty()) {
    if (operands.empty()) return call.refuse("a script is missing");
    scripts.push_back(operands.front());
    operands.erase(operands.begin());
  }
  std::vector<SedCommand> commands;
  for (const std::string& script : scripts) {
    if (!parse_sed(script, extended, commands)) {
      return call.refuse("this script is not supported: " + script);
    }
  }
  int status = 0;
  for (const auto& [name, text] : inputs(call, operands, status, 1)) {
    std::string result;
    const std::vector<std::string> lines = lines_of(text);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      std::string line = lines[i];
      bool gone = false, stop = false;
      for (const SedCommand& command : commands) {
        if (command.address && !command.address->find(line)) continue;
        if (command.line != 0 && command.line != i + 1) continue;
        if (command.last && i + 1 != lines.size()) continue;
        if (command.action == 'd') {
          gone = true;
          break;
        }
        if (command.action == 'q') {
          stop = true;
          break;
        }
        bool changed = command.action == 'p';
        if (command.action == 's') line = substitute(command, line, changed);
        if (changed && (command.print || command.action == 'p')) result += line + "\n";
      }
      if (!gone && !quiet) result += line + "\n";
      if (stop) break;
    }
    if (!text.empty() && text.back() != '\n' && !result.empty()) result.pop_back();
    if (!in_place) {
      call.out += result;
    } else if (const Status written = call.files.write(call.path(name), result); !written) {
      status = call.refuse(name, written.error());
    }
  }
  return status;
}

int sort(AppletCall& call) {
  bool numeric = false, reverse = false, unique = false;
  std::vector<std::string> operands;
  for (std::size_t i = 1; i < call.argv.size(); ++i) {
    const std::string& word = call.argv[i];
    if (word.size() > 1 && word[0] == '-') {
      for (char c : word.substr(1)) {
        if (c == 'n') numeric = true;
        else if (c == 'r') reverse = true;
        else if (c == 'u') unique = true;
        else return call.refuse(std::string("option -") + c + " is not supported");
      }
    } else {
      operands.push_back(word);
    }
  }
  int status = 0;
  std::vector<std::string> lines;
  for (const auto& [name, text] : inputs(call, operands, status, 2)) {
    auto more = lines_of(text);
    lines.insert(lines.end(), more.begin(), more.end());
  }
  const auto value = [](const std::string& line) {
    std::int64_t result = 0;
    const std::size_t begin = std::min(line.find_first_not_of(' '), line.size());
    std::from_chars(line.data() + begin, line.data() + line.size(), result);
    return result;
  };
  std::stable_sort(lines.begin(), lines.end(), [&](const std::string& a, const std::string& b) {
    if (numeric && value(a) != value(b)) return reverse ? value(a) > value(b) : value(a) < value(b);
    return reverse ? a > b : a < b;
  });
  if (unique) lines.erase(std::unique(lines.begin(), lines.end()), lines.end());
  for (const std::string& line : lines) call.out += line + "\n";
  return status;
}

int uniq(AppletCall& call) {
  std::string last;
  bool first = true;
  for (const std::string& line : lines_of(call.rest_of_input())) {
    if (first || line != last) call.out += line + "\n";
    last = line;
    first = false;
  }
  return 0;
}

int tee(AppletCall& call) {
  bool append = false;
  int status = 0;
  call.out = call.rest_of_input();
  for (std::size_t i = 1; i < call.argv.size(); ++i) {
    if (call.argv[i] == "-a") {
      append = true;
      continue;
    }
    const std::string path = call.path(call.argv[i]);
    const Status done = append ? call.files.append(path, call.out) : call.files.write(path, call.out);
    if (!done) status = call.refuse(call.argv[i], done.error());
  }
  return status;
}

constexpr AppletEntry kText[] = {{"grep", &grep}, {"head", &head_or_tail}, {"tail", &head_or_tail},
                                 {"wc", &wc},     {"cut", &cut},           {"tr", &tr},
                                 {"sed", &sed},   {"sort", &sort},         {"uniq", &uniq},
                                 {"tee", &tee}};

}  // namespace

std::span<const AppletEntry> text_applets() { return kText; }

}  // namespace twinhull::sim
