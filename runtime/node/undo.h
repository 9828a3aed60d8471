// What must be taken back when an operation fails, and what must be taken back in any case.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/kernel/kernel.h"
#include "runtime/kernel/result.h"
#include "runtime/node/step.h"

namespace twinhull {

/// An explicit list of reverse steps, registered one by one as effects happen and run by close(),
/// last first. Nothing happens in a destructor: kernel objects outlive the process, and what a
/// crash leaves is recovery's.
class UndoList {
 public:
  enum class When : std::uint8_t { on_failure, always };

  explicit UndoList(Kernel& kernel) : kernel_(kernel) {}

  void add(When when, Step step);
  /// `what` names the act in messages: "unmount /vz/root/101".
  void add(When when, std::string what, std::function<Status()> act);

  /// The point of no return: what was registered for a failure is forgotten.
  void commit();

  /// Runs what applies to `result` and returns `result`. When undoing itself fails, the remaining
  /// steps still run, clean() turns false and the error says so; a success then becomes that
  /// error. Stops silently when the node is down: nothing can be undone, recovery will.
  Status close(Status result);
  /// Whether everything that close() ran succeeded: only then may the journal go.
  [[nodiscard]] bool clean() const { return clean_; }

 private:
  struct Entry {
    When when;
    std::string what;
    std::function<Status()> act;
  };
  Kernel& kernel_;
  std::vector<Entry> entries_;
  bool clean_ = true;
};

}  // namespace twinhull
