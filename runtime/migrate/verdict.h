// What would stop a container from moving, and how long the move would take (vzmigrate --check).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/container/context.h"
#include "runtime/migrate/courier.h"
#include "runtime/migrate/message.h"
#include "runtime/migrate/predict.h"

namespace twinhull::migrate {

/// One container's chances.
struct Verdict {
  CtId id;
  std::string host;
  std::vector<Problem> problems;  ///< of both nodes, each with its remedy
  bool online = false;
  MoveFacts facts;
  bool send_template = false;
  std::optional<Prediction> prediction;  ///< of a live migration
  [[nodiscard]] bool good() const { return problems.empty(); }
  /// Of the first problem; 0 without.
  [[nodiscard]] int exit_code() const;
};

/// What the processes of a running container hold against the move, as problems (exit 57; what may
/// be over in a moment: exit 8). `passing`: count those too.
std::vector<Problem> problems_of(const Survey& survey, bool passing);

/// Bytes a second and round trip of the connection: messages of nothing, of 256 KiB and of what passes in
/// half a second, 16 MiB at most, each answered. Errors: those of the connection.
Status measure_link(container::Context& context, Courier& courier, MoveFacts& facts);

/// How fast the disk of the dumps takes durable writes: the difference between
/// a file of 64 KiB and one of 8 MiB. Errors: those of Files.
Status measure_disk(container::Context& context, CtId id, MoveFacts& facts);

/// Lines for people, and one JSON object.
std::vector<std::string> verdict_text(const Verdict& verdict);
std::string verdict_json(const Verdict& verdict);

}  // namespace twinhull::migrate
