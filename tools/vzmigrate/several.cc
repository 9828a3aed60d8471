#include "tools/vzmigrate/several.h"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "runtime/kernel/clock.h"
#include "runtime/migrate/exit_codes.h"
#include "runtime/node/companions.h"
#include "tools/vzmigrate/progress.h"

namespace twinhull::tools::move {
namespace {

using migrate::MigrateExit;

/// How often they are looked at.
constexpr Duration kTick = milliseconds(200);

/// One word for parse_ssh_options.
std::string quoted(const std::string& word) {
  std::string text = "'";
  for (const char letter : word)
    text += letter == '\'' ? std::string(R"('\'')") : std::string(1, letter);
  return text + "'";
}

/// A text that comes in pieces, by lines.
class Lines {
 public:
  void add(std::string_view text) { rest_ += text; }
  /// The next whole line without its end; at the end of all also what has none.
  std::optional<std::string> next(bool at_end) {
    const std::size_t end = rest_.find('\n');
    if (end == std::string::npos && (!at_end || rest_.empty())) return std::nullopt;
    std::string line = rest_.substr(0, end);
    rest_.erase(0, end == std::string::npos ? end : end + 1);
    return line;
  }

 private:
  std::string rest_;
};

struct Move {
  Move(std::size_t which, const std::string& container) : index(which), progress(container) {}
  std::size_t index;  ///< in the list of the command
  Progress progress;
  Lines out;
  Lines error;
};

class Convoy {
 public:
  Convoy(Session& session, const Options& options)
      : session_(session),
        options_(options),
        display_(session.console.interactive() && !options.batch && !options.json) {
    for (const Entry& entry : options.containers) {
      outcomes_.push_back(not_begun(entry.source));
      outcomes_.back().there = entry.destination;
    }
  }

  Result<std::vector<Outcome>> run() {
    while (true) {
      TH_TRY(fill_up());
      if (moves_.empty()) break;
      look_at_all();
      draw();
      if (moves_.empty()) continue;
      const Status slept = session_.kernel.clock().sleep(kTick);
      if (slept) continue;
      if (slept.error().code != ErrorCode::interrupted) return slept.error();
      stopping_ = true;
      for (const auto& [companion, move] : moves_) session_.companions->interrupt(companion);
    }
    return std::move(outcomes_);
  }

 private:
  Status fill_up() {
    while (!stopping_ && moves_.size() < options_.parallel && next_ < outcomes_.size()) {
      const Entry& entry = options_.containers[next_];
      const auto companion = session_.companions->start(words_for(options_, entry));
      if (companion) {
        outcomes_[next_].error.clear();
        moves_.emplace(*companion, Move(next_++, entry.source));
        continue;
      }
      if (companion.error().code == ErrorCode::node_down) return companion.error();
      if (!moves_.empty()) return {};  // when another has ended there may be room
      Outcome& outcome = outcomes_[next_++];
      outcome.error = companion.error().message();
      outcome.exit_code = migrate::to_int(MigrateExit::system);
      session_.console.error(outcome.error + "\n");
    }
    return {};
  }

  void look_at_all() {
    for (auto at = moves_.begin(); at != moves_.end();) {
      Move& move = at->second;
      const Companions::News news = session_.companions->look(at->first);
      take(move, news);
      if (news.exit_code) {
        finish(move, *news.exit_code);
        at = moves_.erase(at);
      } else {
        ++at;
      }
    }
  }

  void take(Move& move, const Companions::News& news) {
    const Instant now = session_.kernel.clock().now();
    Outcome& outcome = outcomes_[move.index];
    const bool ended = news.exit_code.has_value();
    move.progress.count(news.sent, now);
    move.out.add(news.out);
    while (const auto line = move.out.next(ended)) {
      if (const auto report = parse_report(*line)) {
        if (report->stage)
          move.progress.begin(*report, now);
        else
          outcome.moved = *report;
      } else if (!quiet() && (!display_ || options_.verbose)) {
        say(move, *line, false);
      }
    }
    move.error.add(news.error);
    while (const auto line = move.error.next(ended)) {
      outcome.error = *line;
      say(move, *line, true);
    }
  }

  void finish(const Move& move, int exit_code) {
    Outcome& outcome = outcomes_[move.index];
    outcome.exit_code = exit_code;
    if (!outcome.failed()) outcome.error.clear();  // warnings on the way of one that has arrived
    if (options_.batch) session_.console.out(batch_line(outcome));
    if (!display_) return;
    clear();
    if (outcome.moved) {
      const Report& moved = *outcome.moved;
      session_.console.out(
          fmt::format("CT {} has moved to {}: {} in {}{}\n", outcome.container, options_.peer.host,
                      bytes_text(moved.sent), seconds_text(moved.total),
                      moved.down > Duration{0} ? ", down for " + seconds_text(moved.down) : ""));
    } else if (outcome.failed()) {
      session_.console.out(fmt::format("CT {} failed (exit {})\n", outcome.container, exit_code));
    } else {
      session_.console.out(fmt::format("CT {} can go\n", outcome.container));
    }
  }

  [[nodiscard]] bool quiet() const { return options_.batch || options_.json; }

  void say(const Move& move, const std::string& line, bool error) {
    clear();
    std::string text = "CT " + outcomes_[move.index].container;
    text = line.starts_with(text) ? line + "\n" : text + ": " + line + "\n";
    if (error)
      session_.console.error(text);
    else
      session_.console.out(text);
  }

  /// The lines at the bottom of the terminal.
  void draw() {
    if (!display_) return;
    clear();
    std::string text;
    for (const auto& [companion, move] : moves_) text += move.progress.line() + "\n";
    drawn_ = moves_.size();
    if (const std::size_t waiting = outcomes_.size() - next_; waiting != 0 && !stopping_) {
      text += fmt::format("{} more to come\n", waiting);
      ++drawn_;
    }
    session_.console.out(text);
  }
  void clear() {
    if (drawn_ != 0) session_.console.out(fmt::format("\x1b[{}A\x1b[J", drawn_));
    drawn_ = 0;
  }

  Session& session_;
  const Options& options_;
  const bool display_;
  std::vector<Outcome> outcomes_;
  std::size_t next_ = 0;               ///< the first that was not begun
  std::map<std::size_t, Move> moves_;  ///< by companion
  bool stopping_ = false;
  std::size_t drawn_ = 0;  ///< lines
};

}  // namespace

std::vector<std::string> words_for(const Options& options, const Entry& entry) {
  std::vector<std::string> words{"vzmigrate", "--report"};
  const auto flag = [&](bool wanted, const char* word) {
    if (wanted) words.emplace_back(word);
  };
  const auto value = [&](const std::string& option, const std::string& text) {
    words.push_back(option);
    words.push_back(text);
  };
  if (options.remove) value("-r", *options.remove ? "yes" : "no");
  flag(options.no_start, "--nostart");
  flag(options.keep_destination, "--keep-dst");
  flag(options.dry_run, "--dry-run");
  flag(options.verbose, "--verbose");
  flag(options.compress, "--compress");
  if (options.force) {
    std::string list;
    for (const auto& [name, code] : {std::pair{"disk_space", MigrateExit::no_disk_space},
                                     std::pair{"cpu_check", MigrateExit::cpu_features},
                                     std::pair{"technologies", MigrateExit::technologies}})
      if (options.skipped.contains(code)) list += (list.empty() ? "" : ",") + std::string(name);
    words.push_back("-f=" + (list.empty() ? "rate" : list));
  }
  value("--timeout", std::to_string(options.timeout / seconds(1)));
  if (options.rate) value("--rate", std::to_string(options.rate->value));
  if (options.online) {
    const migrate::OnlineWish& wish = *options.online;
    words.emplace_back("--online");
    flag(!wish.iterative, "--noiter");
    flag(wish.must_iterate, "--require-realtime");
    flag(wish.goals.slow_down, "--auto-converge");
    value("--downtime", std::to_string(wish.goals.downtime / milliseconds(1)));
    value("--rounds", std::to_string(wish.goals.rounds));
  }
  if (options.keeper) words.push_back("--keeper=" + options.keeper->text());
  if (!options.peer.ssh_options.empty()) {
    std::string ssh;
    for (const std::string& word : options.peer.ssh_options)
      ssh += (ssh.empty() ? "" : " ") + quoted(word);
    words.push_back("--ssh=" + ssh);
  }
  words.emplace_back("--");
  words.push_back(options.peer.text());
  std::string place = entry.source;
  const std::string parts[] = {entry.destination, entry.private_pattern, entry.root_pattern};
  std::size_t used = std::size(parts);
  while (used > 0 && parts[used - 1].empty()) --used;
  for (std::size_t i = 0; i < used; ++i) place += ":" + parts[i];
  words.push_back(place);
  return words;
}

Result<std::vector<Outcome>> move_side_by_side(Session& session, const Options& options) {
  return Convoy(session, options).run();
}

}  // namespace twinhull::tools::move
