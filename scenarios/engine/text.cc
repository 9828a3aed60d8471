#include "scenarios/engine/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

namespace twinhull::scenario {
namespace {

__extension__ typedef unsigned __int128 Wide;

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// A decimal number with up to nine fraction digits, as an exact fraction of `scale`.
std::optional<std::uint64_t> scaled(std::string_view number, std::uint64_t scale) {
  if (number.empty() || number.size() > 20) return std::nullopt;
  Wide value = 0;
  Wide divisor = 1;
  bool fraction = false;
  bool digit = false;
  for (const char c : number) {
    if (c == '.' && !fraction) {
      fraction = true;
      continue;
    }
    if (c < '0' || c > '9') return std::nullopt;
    digit = true;
    value = value * 10 + static_cast<unsigned>(c - '0');
    if (fraction) divisor *= 10;
  }
  if (!digit || number.back() == '.') return std::nullopt;
  const Wide result = value * scale / divisor;
  if (result > static_cast<Wide>(INT64_MAX)) return std::nullopt;
  return static_cast<std::uint64_t>(result);
}

std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0U : 1U)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::optional<std::int64_t> parse_amount(std::string_view text, RangeUnit unit) {
  text = trim(text);
  switch (unit) {
    case RangeUnit::count: return parse_integer(text);
    case RangeUnit::bytes:
      if (const auto bytes = parse_bytes(text)) return static_cast<std::int64_t>(bytes->value);
      return std::nullopt;
    case RangeUnit::duration:
      if (const auto length = parse_duration(text)) return length->count();
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

std::string near_miss(std::string_view word, const std::vector<std::string>& known) {
  std::string best;
  if (word.size() > 64) return best;
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string& name : known) {
    const std::size_t d = distance(word, name);
    if (d < best_distance) {
      best_distance = d;
      best = name;
    }
  }
  return best;
}

std::optional<Duration> parse_duration(std::string_view text) {
  struct Suffix {
    std::string_view name;
    std::uint64_t scale;
  };
  static constexpr std::array<Suffix, 6> suffixes = {{{"ns", 1},
                                                      {"us", 1'000},
                                                      {"ms", 1'000'000},
                                                      {"s", 1'000'000'000},
                                                      {"m", 60'000'000'000},
                                                      {"h", 3'600'000'000'000}}};
  text = trim(text);
  for (const Suffix& suffix : suffixes) {
    if (text.size() <= suffix.name.size() || !text.ends_with(suffix.name)) continue;
    const auto value = scaled(trim(text.substr(0, text.size() - suffix.name.size())), suffix.scale);
    if (!value) continue;  // "ms" also ends with "s"
    if (*value > 315'360'000ULL * 1'000'000'000ULL) return std::nullopt;
    return Duration(static_cast<std::int64_t>(*value));
  }
  return std::nullopt;
}

std::optional<Bytes> parse_bytes(std::string_view text) {
  text = trim(text);
  if (text.empty()) return std::nullopt;
  std::uint64_t scale = 1;
  switch (std::toupper(static_cast<unsigned char>(text.back()))) {
    case 'K': scale = 1ULL << 10; break;
    case 'M': scale = 1ULL << 20; break;
    case 'G': scale = 1ULL << 30; break;
    case 'T': scale = 1ULL << 40; break;
    default: break;
  }
  if (scale > 1) text.remove_suffix(1);
  if (scale == 1 && text.find('.') != std::string_view::npos) return std::nullopt;
  const auto value = scaled(trim(text), scale);
  if (!value) return std::nullopt;
  return Bytes{*value};
}

std::optional<BitsPerSecond> parse_bits(std::string_view text) {
  text = trim(text);
  if (!text.ends_with("bit")) return std::nullopt;
  text.remove_suffix(3);
  if (text.empty()) return std::nullopt;
  std::uint64_t scale = 1;
  switch (std::toupper(static_cast<unsigned char>(text.back()))) {
    case 'K': scale = 1'000; break;
    case 'M': scale = 1'000'000; break;
    case 'G': scale = 1'000'000'000; break;
    default: break;
  }
  if (scale > 1) text.remove_suffix(1);
  const auto value = scaled(trim(text), scale);
  if (!value) return std::nullopt;
  return BitsPerSecond{*value};
}

std::optional<std::int64_t> parse_thousandths(std::string_view text) {
  text = trim(text);
  if (text.ends_with('%')) text = trim(text.substr(0, text.size() - 1));
  if (text.size() > 10) return std::nullopt;
  const auto value = scaled(text, 1000);
  if (!value) return std::nullopt;
  return static_cast<std::int64_t>(*value);
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  text = trim(text);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<Range> parse_range(std::string_view text, RangeUnit unit) {
  Range range;
  text = trim(text);
  range.text = std::string(text);
  const auto bound = [&](std::size_t skip) { return parse_amount(text.substr(skip), unit); };
  if (text.starts_with(">=")) {
    const auto value = bound(2);
    if (!value) return std::nullopt;
    range.least = *value;
  } else if (text.starts_with("<=")) {
    const auto value = bound(2);
    if (!value) return std::nullopt;
    range.most = *value;
  } else if (text.starts_with(">")) {
    const auto value = bound(1);
    if (!value || *value == INT64_MAX) return std::nullopt;
    range.least = *value + 1;
  } else if (text.starts_with("<")) {
    const auto value = bound(1);
    if (!value || *value == INT64_MIN) return std::nullopt;
    range.most = *value - 1;
  } else if (const auto dots = text.find(".."); dots != std::string_view::npos) {
    const auto least = parse_amount(text.substr(0, dots), unit);
    const auto most = parse_amount(text.substr(dots + 2), unit);
    if (!least || !most || *least > *most) return std::nullopt;
    range.least = *least;
    range.most = *most;
  } else if (const auto sign = text.find("+-"); sign != std::string_view::npos) {
    const auto middle = parse_amount(text.substr(0, sign), unit);
    const std::string_view right = trim(text.substr(sign + 2));
    if (!middle) return std::nullopt;
    std::int64_t slack = 0;
    if (right.ends_with('%')) {
      const auto part = parse_thousandths(right);
      if (!part) return std::nullopt;
      if (*middle < 0) return std::nullopt;
      const Wide product = static_cast<Wide>(*middle) * static_cast<Wide>(*part) / 100'000;
      if (product > static_cast<Wide>(INT64_MAX / 2)) return std::nullopt;
      slack = static_cast<std::int64_t>(product);
    } else {
      const auto amount = parse_amount(right, unit);
      if (!amount || *amount < 0) return std::nullopt;
      slack = *amount;
    }
    if (*middle > INT64_MAX / 2 || *middle < INT64_MIN / 2 || slack > INT64_MAX / 2)
      return std::nullopt;
    range.least = *middle - slack;
    range.most = *middle + slack;
  } else {
    const auto value = bound(0);
    if (!value) return std::nullopt;
    range.least = range.most = *value;
  }
  return range;
}

std::string duration_text(Duration length) {
  const std::int64_t ns = length.count();
  const bool negative = ns < 0;
  const auto magnitude =
      negative ? std::uint64_t{0} - static_cast<std::uint64_t>(ns) : static_cast<std::uint64_t>(ns);
  const std::string sign = negative ? "-" : "";
  const auto real = static_cast<double>(magnitude);
  if (magnitude == 0) return "0 s";
  if (magnitude < 1'000'000) return sign + fmt::format("{:.3g} us", real / 1e3);
  if (magnitude < 1'000'000'000) return sign + fmt::format("{:.3g} ms", real / 1e6);
  if (magnitude < 120'000'000'000ULL) return sign + fmt::format("{:.4g} s", real / 1e9);
  const std::uint64_t total = magnitude / 1'000'000'000;
  if (total < 3600 && total % 60 == 0) return sign + fmt::format("{} min", total / 60);
  if (total < 3600) return sign + fmt::format("{} min {:02} s", total / 60, total % 60);
  if (total % 3600 == 0) return sign + fmt::format("{} h", total / 3600);
  return sign + fmt::format("{} h {:02} min", total / 3600, total / 60 % 60);
}

std::string amount_text(std::int64_t value, RangeUnit unit) {
  if (unit == RangeUnit::duration) return duration_text(Duration(value));
  if (unit == RangeUnit::count || value < 10240) return std::to_string(value);
  const auto real = static_cast<double>(value);
  if (value < (1 << 20)) return fmt::format("{} ({:.4g} KiB)", value, real / 1024);
  if (value < (1 << 30)) return fmt::format("{} ({:.5g} MiB)", value, real / (1 << 20));
  return fmt::format("{} ({:.5g} GiB)", value, real / (1 << 30));
}

std::optional<std::vector<std::string>> split_words(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  bool inside = false;
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote == '\'') {
      if (c == '\'')
        quote = 0;
      else
        word += c;
    } else if (quote == '"') {
      if (c == '"')
        quote = 0;
      else if (c == '\\' && i + 1 < line.size() && (line[i + 1] == '"' || line[i + 1] == '\\'))
        word += line[++i];
      else
        word += c;
    } else if (c == '\'' || c == '"') {
      quote = c;
      inside = true;
    } else if (c == '\\' && i + 1 < line.size()) {
      word += line[++i];
      inside = true;
    } else if (c == ' ' || c == '\t' || c == '\n') {
      if (inside) words.push_back(std::move(word));
      word.clear();
      inside = false;
    } else {
      word += c;
      inside = true;
    }
  }
  if (quote != 0) return std::nullopt;
  if (inside) words.push_back(std::move(word));
  return words;
}

std::string squeeze(std::string_view line) {
  std::string out;
  for (const char c : line) {
    const bool blank = c == ' ' || c == '\t' || c == '\r';
    if (!blank)
      out += c;
    else if (!out.empty() && out.back() != ' ')
      out += ' ';
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::vector<std::string> squeezed_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (std::string line = squeeze(text.substr(0, end)); !line.empty())
      lines.push_back(std::move(line));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string excerpt(std::string_view text, std::size_t most) {
  std::string out;
  for (const char c : text) {
    if (out.size() >= most) return out + "…";
    if (c == '\n')
      out += " | ";
    else
      out += c;
  }
  while (out.ends_with(" | ")) out.resize(out.size() - 3);
  return out;
}

}  // namespace twinhull::scenario
