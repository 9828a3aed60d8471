#include "runtime/migrate/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "runtime/config/atomic_write.h"
#include "runtime/container/dump.h"
#include "runtime/kernel/clock.h"
#include "runtime/kernel/files.h"
#include "runtime/migrate/exit_codes.h"
#include "runtime/node/journal.h"

namespace twinhull::migrate {
namespace {

constexpr std::size_t kProbe = std::size_t{1} << 20;  // of one piece, as those of a tree
constexpr std::size_t kFirstProbe = std::size_t{256} << 10;
constexpr std::size_t kMostProbe = std::size_t{8} << 20;
constexpr std::size_t kDiskProbe = std::size_t{8} << 20;
constexpr std::size_t kSmallProbe = std::size_t{64} << 10;

std::string in_seconds(Duration length) {
  return fmt::format("{}.{:02} s", length / seconds(1), length % seconds(1) / milliseconds(10));
}

std::string in_mebibytes(std::uint64_t bytes) {
  constexpr std::uint64_t kMebi = std::uint64_t{1} << 20;
  return fmt::format("{}.{} MiB", bytes / kMebi, bytes % kMebi * 10 / kMebi);
}

/// Bytes that no compression on the way makes fewer.
std::string noise_of(std::size_t size) {
  std::string noise(size, '\0');
  std::uint64_t state = 0x9E3779B97F4A7C15U;
  for (char& byte : noise) {
    state ^= state << 13U;
    state ^= state >> 7U;
    state ^= state << 17U;
    byte = static_cast<char>(state & 0xFFU);
  }
  return noise;
}

BytesPerSecond speed(std::uint64_t bytes, Duration took) {
  return {bytes * 1'000'000 /
          static_cast<std::uint64_t>(std::max<std::int64_t>(took / microseconds(1), 1))};
}

/// Bytes a second that change; std::nullopt when unknown.
std::optional<std::uint64_t> change_rate(const Survey& survey) {
  if (!survey.changed || survey.watched < milliseconds(1)) return std::nullopt;
  return to_bytes(*survey.changed).value * 1000 /
         static_cast<std::uint64_t>(survey.watched / milliseconds(1));
}

}  // namespace

int Verdict::exit_code() const {
  return problems.empty() ? 0 : problems.front().exit_code;
}

std::vector<Problem> problems_of(const Survey& survey, bool passing) {
  std::vector<Problem> problems;
  for (const Hindrance& hindrance : survey.hindrances) {
    if (hindrance.passing && !passing) continue;
    std::string text = hindrance.object + " " + hindrance.cause;
    if (!hindrance.remedy.empty()) text += "; " + hindrance.remedy;
    problems.push_back(
        {to_int(hindrance.passing ? MigrateExit::cannot_stop : MigrateExit::unsupported),
         std::move(text)});
  }
  return problems;
}

Status measure_link(container::Context& context, Courier& courier, MoveFacts& facts) {
  Clock& clock = context.kernel().clock();
  const Instant begun = clock.now();
  TH_TRY(courier.question({.type = "probe"}));
  const Instant between = clock.now();
  facts.round_trip = between - begun;
  // A little first, then what passes in half a second by that: a slow link is not kept busy for long by a
  // question, and what a slow node takes for any message counts little.
  std::size_t size = kFirstProbe;
  for (int probes = 0; probes < 3; ++probes) {
    const std::size_t piece = std::min(size, kProbe);
    Message probe{.type = "probe"};
    probe.attachments.push_back({"noise", 0600, noise_of(piece)});
    const Instant start = clock.now();
    TH_TRY(courier.questions(probe, size / piece));
    const Duration took = clock.now() - start;
    facts.bandwidth = speed(size, std::max<Duration>(took - facts.round_trip, microseconds(1)));
    const std::size_t more = std::min<std::uint64_t>(kMostProbe, facts.bandwidth.value / 2);
    if (more < 2 * size) break;
    size = more > kProbe ? more / kProbe * kProbe : more;
  }
  return {};
}

Status measure_disk(container::Context& context, CtId id, MoveFacts& facts) {
  Files& files = context.kernel().files();
  Clock& clock = context.kernel().clock();
  const std::string path = container::dump_path(context.node, id) + ".probe";
  const std::string journal = context.node.journal_file(id);
  Intent intent;
  intent.operation = "check";
  intent.back.push_back({StepKind::remove_file, path, {}});
  TH_TRY(write_intent(context.kernel(), journal, intent));
  TH_TRY(make_directories(files, parent_directory(path)));
  const auto write = [&](std::size_t size) -> Result<Duration> {
    const std::string noise = noise_of(size);
    const Instant begun = clock.now();
    TH_TRY(files.write(path, noise, 0600));
    TH_TRY(files.sync(path));
    return clock.now() - begun;
  };
  // What a sync takes whatever its size is no matter of speed.
  const auto measure = [&]() -> Status {
    TH_ASSIGN(const Duration small, write(kSmallProbe));
    TH_ASSIGN(const Duration large, write(kDiskProbe));
    facts.disk = speed(kDiskProbe - kSmallProbe, large - small);
    return {};
  };
  const Status written = measure();
  if (!written && written.error().code == ErrorCode::node_down) return written;
  TH_TRY(replay_intent(context.kernel(), intent));
  TH_TRY(clear_intent(context.kernel(), journal, /*durable=*/true));
  return written;
}

std::vector<std::string> verdict_text(const Verdict& verdict) {
  std::vector<std::string> lines;
  const std::string how = verdict.online ? " with its processes" : "";
  if (verdict.good()) {
    lines.push_back(
        fmt::format("CT {} can be moved to {}{}", verdict.id.text(), verdict.host, how));
  } else {
    lines.push_back(
        fmt::format("CT {} cannot be moved to {}{} now:", verdict.id.text(), verdict.host, how));
    for (const Problem& problem : verdict.problems) lines.push_back("  - " + problem.text);
  }
  const MoveFacts& facts = verdict.facts;
  lines.push_back(fmt::format(
      "  files: {}{}; link: {} a second, round trip {} us; disk: {} a second",
      in_mebibytes(facts.files.value), verdict.send_template ? " (the template goes along)" : "",
      in_mebibytes(facts.bandwidth.value), facts.round_trip / microseconds(1),
      in_mebibytes(facts.disk.value)));
  if (!verdict.online) return lines;
  const Survey& survey = facts.survey;
  const auto rate = change_rate(survey);
  lines.push_back(fmt::format("  processes: {}, descriptors: {}, of them sockets: {}", survey.tasks,
                              survey.descriptors, survey.sockets));
  lines.push_back(fmt::format(
      "  memory: {}, {}", in_mebibytes(to_bytes(survey.held).value),
      rate ? in_mebibytes(*rate) + " of it change in a second"
           : std::string("this kernel does not tell how much of it changes: one copy, frozen")));
  if (verdict.prediction) {
    const Prediction& told = *verdict.prediction;
    lines.push_back(fmt::format("  predicted: {} in total, {} down, {} rounds ({}), {} sent",
                                in_seconds(told.total), in_seconds(told.down), told.rounds,
                                to_string(told.verdict), in_mebibytes(told.sent.value)));
    if (facts.lazy)
      lines.push_back(fmt::format("  {} of it follow when the processes run there",
                                  in_mebibytes(told.follows.value)));
  }
  return lines;
}

std::string verdict_json(const Verdict& verdict) {
  nlohmann::json json;
  json["ctid"] = verdict.id.value;
  json["destination"] = verdict.host;
  json["online"] = verdict.online;
  json["possible"] = verdict.good();
  json["problems"] = nlohmann::json::array();
  for (const Problem& problem : verdict.problems)
    json["problems"].push_back({{"exit_code", problem.exit_code}, {"text", problem.text}});
  const MoveFacts& facts = verdict.facts;
  json["file_bytes"] = facts.files.value;
  json["template_goes_along"] = verdict.send_template;
  json["bandwidth_bytes_per_s"] = facts.bandwidth.value;
  json["disk_bytes_per_s"] = facts.disk.value;
  json["round_trip_us"] = facts.round_trip / microseconds(1);
  if (verdict.online) {
    const auto rate = change_rate(facts.survey);
    json["pace"] = {{"look_us", facts.here.look / microseconds(1)},
                    {"latest_dump_us", facts.here.dump.took / microseconds(1)},
                    {"look_there_us", facts.there.look / microseconds(1)},
                    {"latest_restore_there_us", facts.there.restore.took / microseconds(1)}};
    json["processes"] = facts.survey.tasks;
    json["descriptors"] = facts.survey.descriptors;
    json["sockets"] = facts.survey.sockets;
    json["memory_bytes"] = to_bytes(facts.survey.held).value;
    json["changing_bytes_per_s"] = rate ? nlohmann::json(*rate) : nlohmann::json();
  }
  if (verdict.prediction) {
    json["predicted"] = {{"total_ms", verdict.prediction->total / milliseconds(1)},
                         {"down_ms", verdict.prediction->down / milliseconds(1)},
                         {"rounds", verdict.prediction->rounds},
                         {"sent_bytes", verdict.prediction->sent.value},
                         {"follows_bytes", verdict.prediction->follows.value},
                         {"rounds_end", std::string(to_string(verdict.prediction->verdict))}};
  }
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace twinhull::migrate
