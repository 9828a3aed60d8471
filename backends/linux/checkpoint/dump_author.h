// A dump that goes on while its images are sent.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "backends/linux/run_tool.h"
#include "runtime/kernel/channels.h"
#include "runtime/kernel/checkpoints.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// criu, as it writes images. It is never killed: processes that it has its hands in would not be
/// whole afterwards.
class DumpAuthor final : public TreeAuthor {
 public:
  /// Checks and starts; called once, when the channel has begun.
  using Start = std::function<Result<RunningTool>()>;
  /// Judges how it ended, and writes what belongs to the images besides.
  using Finish = std::function<Result<DumpResult>(const ToolOutcome& outcome)>;

  DumpAuthor(Start start, Finish finish) : start_(std::move(start)), finish_(std::move(finish)) {}

  Result<bool> go_on(Duration at_most) override;
  /// Memory; the other images are small, and some are written to their beginnings again.
  [[nodiscard]] bool only_grows(const std::string& name) const override;
  [[nodiscard]] Bytes expected() const override { return {}; }

  /// Waits for the end of a dump that has begun, whoever looks at its images.
  void end();
  /// Of the dump; empty when it was never started, or did well.
  [[nodiscard]] const std::optional<Error>& failure() const { return failure_; }
  /// Precondition: go_on() has said that it is complete.
  [[nodiscard]] const DumpResult& result() const { return *result_; }

 private:
  void conclude();

  Start start_;
  Finish finish_;
  std::optional<RunningTool> tool_;
  std::optional<DumpResult> result_;
  std::optional<Error> failure_;
};

}  // namespace twinhull::linux_backend
