#include "runtime/node/log.h"

#include <chrono>
#include <utility>

#include "runtime/config/atomic_write.h"
#include "runtime/kernel/clock.h"
#include "runtime/kernel/files.h"

namespace twinhull {

namespace {

/// In decimal digits, with zeros before it.
void append_padded(std::string& line, std::uint64_t value, int width) {
  const std::string digits = std::to_string(value);
  for (int missing = width - static_cast<int>(digits.size()); missing > 0; --missing) line += '0';
  line += digits;
}

}  // namespace

std::string log_line(WallTime now, std::string_view program, std::optional<CtId> container,
                     std::string_view text) {
  const auto day = std::chrono::floor<std::chrono::days>(now);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss time{std::chrono::floor<std::chrono::seconds>(now - day)};
  std::string line;
  line.reserve(text.size() + program.size() + 64);
  const auto add = [&line](auto value, int width, std::string_view after) {
    append_padded(line, static_cast<std::uint64_t>(value), width);
    line += after;
  };
  add(static_cast<int>(date.year()), 4, "-");
  add(static_cast<unsigned>(date.month()), 2, "-");
  add(static_cast<unsigned>(date.day()), 2, "T");
  add(time.hours().count(), 2, ":");
  add(time.minutes().count(), 2, ":");
  add(time.seconds().count(), 2, "+0000 ");
  line += program;
  line += " : ";
  if (container) line += "CT " + container->text() + " : ";
  const std::size_t start = line.size();
  line += text;
  for (std::size_t i = start; i < line.size(); ++i)
    if (line[i] == '\n' || line[i] == '\r') line[i] = ' ';
  while (!line.empty() && line.back() == ' ') line.pop_back();
  line += '\n';
  return line;
}

Reporter::Reporter(Session& session, const NodeConfig& node, std::string program,
                   Verbosity verbosity)
    : session_(session), node_(node), program_(std::move(program)), verbosity_(verbosity) {}

void Reporter::say(std::string_view text) {
  if (verbosity_ != Verbosity::quiet) session_.console.out(std::string(text) + "\n");
  log(text);
}

void Reporter::detail(std::string_view text) {
  if (verbosity_ == Verbosity::verbose) session_.console.out(std::string(text) + "\n");
  if (node_.log_level >= 1) log(text);
}

void Reporter::warn(std::string_view text) {
  if (verbosity_ != Verbosity::quiet)
    session_.console.error("Warning: " + std::string(text) + "\n");
  log("Warning: " + std::string(text));
}

void Reporter::error(std::string_view text) {
  if (verbosity_ != Verbosity::quiet) session_.console.error(std::string(text) + "\n");
  log("Error: " + std::string(text));
}

void Reporter::log(std::string_view text) {
  if (!node_.logging || node_.log_file.empty()) return;
  Files& files = session_.kernel.files();
  const std::string line = log_line(session_.kernel.clock().wall(), program_, container_, text);
  Status written = files.append(node_.log_file, line, 0640);
  if (!written && written.error().code == ErrorCode::not_found) {
    const Result<Effect> made = make_directories(files, parent_directory(node_.log_file));
    written = made ? files.append(node_.log_file, line, 0640) : Status(made.error());
  }
  // A log that cannot be written must not stop an operation, but it is said once.
  if (written || log_broken_ || written.error().code == ErrorCode::node_down) return;
  log_broken_ = true;
  if (verbosity_ != Verbosity::quiet)
    session_.console.error("Warning: the log cannot be written: " + written.error().message() +
                           "\n");
}

}  // namespace twinhull
