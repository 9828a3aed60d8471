#include "runtime/kernel/decorators/recording.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "runtime/kernel/decorators/describe.h"

namespace twinhull {
namespace {

constexpr std::string_view kMagic = "twinhull-trace 1";
constexpr std::string_view kEnd = "end ";  // no record begins so: those begin with a number
constexpr std::size_t kFields = 7;

void append_escaped(std::string& line, std::string_view field) {
  for (const char letter : field) {
    switch (letter) {
      case '\t': line += "\\t"; break;
      case '\n': line += "\\n"; break;
      case '\\': line += "\\\\"; break;
      default: line += letter;
    }
  }
}

// std::nullopt for an escape that append_escaped never writes.
std::optional<std::string> unescape(std::string_view field) {
  std::string text;
  for (std::size_t i = 0; i < field.size(); ++i) {
    if (field[i] != '\\') {
      text += field[i];
      continue;
    }
    if (++i == field.size()) return std::nullopt;
    switch (field[i]) {
      case 't': text += '\t'; break;
      case 'n': text += '\n'; break;
      case '\\': text += '\\'; break;
      default: return std::nullopt;
    }
  }
  return text;
}

template <typename Number>
std::optional<Number> parse_number(std::string_view text, int base = 10) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<TraceRecord> parse_line(std::string_view line) {
  std::array<std::string, kFields> fields;
  for (std::size_t i = 0; i < kFields; ++i) {
    const auto tab = line.find('\t');
    if ((tab == std::string_view::npos) != (i + 1 == kFields)) return std::nullopt;
    auto field = unescape(line.substr(0, tab));
    if (!field) return std::nullopt;
    fields[i] = std::move(*field);
    if (tab != std::string_view::npos) line.remove_prefix(tab + 1);
  }
  TraceRecord record;
  const auto sequence = parse_number<std::uint64_t>(fields[0]);
  if (!sequence) return std::nullopt;
  record.sequence = *sequence;
  record.name = std::move(fields[1]);
  record.object = std::move(fields[2]);
  record.arguments = std::move(fields[3]);
  if (fields[4] != "ok") {
    record.error = parse_error_code(fields[4]);
    if (!record.error) return std::nullopt;
  }
  record.value = std::move(fields[5]);
  if (!fields[6].empty()) {
    const auto at = parse_number<Duration::rep>(fields[6]);
    if (!at) return std::nullopt;
    record.at = Instant(Duration(*at));
  }
  return record;
}

// All but the last line, when that holds the right checksum; otherwise nothing.
std::string_view checked_content(std::string_view text) {
  constexpr std::size_t kEndLength = kEnd.size() + 16 + 1;
  if (text.size() < kEndLength) return {};
  const std::string_view content = text.substr(0, text.size() - kEndLength);
  const std::string wanted =
      std::string(kEnd) + decorators::hex16(decorators::hash_bytes(content)) + '\n';
  return content.ends_with('\n') && text.ends_with(wanted) ? content : std::string_view();
}

Error bad_recording(ErrorCode code, std::string detail) {
  return fail(code, "recording.load", "recording", detail);
}

}  // namespace

std::string TraceRecord::line() const {
  std::string line = std::to_string(sequence) + '\t';
  append_escaped(line, name);
  line += '\t';
  append_escaped(line, object);
  line += '\t';
  append_escaped(line, arguments);
  line += '\t';
  line += error ? to_string(*error) : "ok";
  line += '\t';
  append_escaped(line, value);
  line += '\t';
  if (at) line += std::to_string(at->time_since_epoch().count());
  return line;
}

std::string TraceRecord::text() const {
  std::string text = name;
  for (const std::string* part : {&object, &arguments})
    if (!part->empty()) text += ' ' + *part;
  text += " -> ";
  text += error ? std::string(to_string(*error)) : value.empty() ? "ok" : value;
  return text;
}

std::string Recording::save() const {
  std::string text = fmt::format("{} {} {}\n", kMagic, count, decorators::hex16(digest));
  for (const TraceRecord& record : records) (text += record.line()) += '\n';
  return text + std::string(kEnd) + decorators::hex16(decorators::hash_bytes(text)) + '\n';
}

Result<Recording> Recording::load(std::string_view text) {
  Recording recording;
  const auto header_end = text.find('\n');
  std::string_view header = text.substr(0, header_end);
  if (header_end == std::string_view::npos || !header.starts_with(kMagic))
    return bad_recording(ErrorCode::protocol, fmt::format("it does not begin with \"{}\"", kMagic));
  header.remove_prefix(kMagic.size());
  if (!header.starts_with(' ')) return bad_recording(ErrorCode::protocol, "it has another version");
  const std::string_view content = checked_content(text);
  if (content.empty())
    return bad_recording(ErrorCode::corrupt, "its end is missing, or does not give its checksum");
  header.remove_prefix(1);
  const auto space = header.find(' ');
  const auto count = parse_number<std::uint64_t>(header.substr(0, space));
  const auto digest = space == std::string_view::npos
                          ? std::nullopt
                          : parse_number<std::uint64_t>(header.substr(space + 1), 16);
  if (!count || !digest) return bad_recording(ErrorCode::corrupt, "line 1: bad count or digest");
  recording.count = *count;
  recording.digest = *digest;
  std::string_view rest = content.substr(header_end + 1);
  for (std::size_t number = 2; !rest.empty(); ++number) {
    const auto end = rest.find('\n');
    auto record = parse_line(rest.substr(0, end));
    if (!record)
      return bad_recording(ErrorCode::corrupt, fmt::format("line {}: no record", number));
    recording.records.push_back(std::move(*record));
    rest.remove_prefix(end + 1);
  }
  if (recording.records.size() > recording.count)
    return bad_recording(ErrorCode::corrupt, "it holds more records than it counts");
  if (recording.dropped() == 0) {
    std::uint64_t own = 0;
    for (const TraceRecord& record : recording.records) own = extend_digest(own, record);
    if (own != recording.digest)
      return bad_recording(ErrorCode::corrupt, "its records do not give its digest");
  }
  return recording;
}

TraceRecord make_record(const Call& call, const CallOutcome& outcome) {
  TraceRecord record;
  record.sequence = call.sequence;
  record.name = call.name;
  record.object = call.object;
  record.arguments = call.arguments;
  if (outcome.error != nullptr) record.error = outcome.error->code;
  record.value = outcome.value;
  return record;
}

std::uint64_t extend_digest(std::uint64_t digest, const TraceRecord& record) {
  return decorators::hash_bytes(record.line(), digest);
}

std::optional<std::string> first_difference(const Recording& expected, const Recording& actual) {
  const std::uint64_t begin = std::max(expected.dropped(), actual.dropped());
  const std::uint64_t end = std::min(expected.count, actual.count);
  for (std::uint64_t i = begin; i < end; ++i) {
    const TraceRecord& wanted = expected.records[i - expected.dropped()];
    const TraceRecord& got = actual.records[i - actual.dropped()];
    if (wanted == got) continue;
    std::string text =
        fmt::format("call {}: expected {}, got {}", i + 1, wanted.text(), got.text());
    if (wanted.text() == got.text())
      text += fmt::format(" (call number {} and {}, or their times, differ)", wanted.sequence,
                          got.sequence);
    return text;
  }
  if (expected.count > actual.count)
    return end >= expected.dropped()
               ? fmt::format("call {} is missing: expected {}", end + 1,
                             expected.records[end - expected.dropped()].text())
               : fmt::format("{} calls instead of {}", actual.count, expected.count);
  if (actual.count > expected.count)
    return end >= actual.dropped()
               ? fmt::format("call {} is one too many: {}", end + 1,
                             actual.records[end - actual.dropped()].text())
               : fmt::format("{} calls instead of {}", actual.count, expected.count);
  if (expected.digest != actual.digest)
    return fmt::format("the first {} calls, which were not kept, differ", begin);
  return std::nullopt;
}

}  // namespace twinhull
