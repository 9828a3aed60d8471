// Where a scenario is played: nodes, links, commands and faults, on any backend.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/config/layout.h"
#include "runtime/kernel/kernel.h"
#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"
#include "scenarios/engine/scenario.h"

namespace twinhull::scenario {

/// What a stage can do. A scenario that needs more is skipped there, and says so.
struct StageAbilities {
  std::string backend;        ///< "sim" or "linux"
  bool virtual_time = false;  ///< waiting costs no real time
  bool power = false;         ///< power_off, power_on
  bool links = false;         ///< cut_link, mend_link
  bool disk = false;          ///< fill_disk
  bool call_faults = false;   ///< arm()
  bool signals = false;       ///< kill and interrupt commands
  bool life_events = false;   ///< downtime can be told
  bool digest = false;
};

/// A background or foreground command on the stage.
using StageCommand = std::uint64_t;

struct CommandRequest {
  std::string node;
  std::vector<std::string> argv;  ///< argv[0] is "vzctl", "vzlist" or "vzmigrate"
  std::string input;
};

struct CommandEnd {
  int exit_code = 0;
  bool killed = false;  ///< by kill() or a power cut: there is no exit code
  std::string out;
  std::string error;
};

/// A fault that acts at a kernel call of a node.
struct CallFault {
  enum class Effect {
    fail,       ///< the call fails with `code` and has no effect
    power_cut,  ///< the node's power goes just before the call
    power_cut_all,  ///< the power of all nodes goes just before the call
    kill,       ///< the command or service that calls is killed just before the call
    cut_links,  ///< all cables of the node are cut just before the call, which is made
    fill_disk,  ///< the last byte of the node's disk is taken just before the call, which is made
  };
  Effect effect = Effect::fail;
  std::string call;    ///< "files.write"; empty = any
  std::string object;  ///< part of the object; empty = any
  std::uint64_t nth = 1;
  ErrorCode code = ErrorCode::input_output;
};

/// A container's init came up or went away.
struct LifeRecord {
  Duration at{0};  ///< on the stage's clock
  std::string node;
  std::string label;
  bool up = false;
};

/// A place to play one scenario once. Not thread-safe. Everything that was built is gone with the
/// object. Times are counted from the moment at which build() returned.
class Stage {
 public:
  virtual ~Stage() = default;
  [[nodiscard]] virtual const StageAbilities& abilities() const = 0;

  /// Makes the nodes (with the product's files set up), links and templates. Once.
  virtual Status build(const Scenario& scenario, std::uint64_t seed) = 0;
  /// A copy of the stage as it is now, which goes its own way. Errors: not_supported, busy
  /// (a command runs).
  virtual Result<std::unique_ptr<Stage>> branch() = 0;

  [[nodiscard]] virtual Duration now() const = 0;
  virtual Status advance(Duration length) = 0;

  /// Errors: not_found (node, program), node_down.
  virtual Result<StageCommand> start(const CommandRequest& request) = 0;
  /// The end of a command, std::nullopt while it runs.
  virtual Result<std::optional<CommandEnd>> poll(StageCommand command) = 0;
  /// Lets time pass until the command has ended. Errors: timed_out (it goes on running).
  virtual Result<CommandEnd> wait(StageCommand command, Duration at_most) = 0;
  virtual Status kill(StageCommand command) = 0;
  virtual Status interrupt(StageCommand command) = 0;

  /// The node's kernel for looking. Not counted, never hit by call faults. Precondition: the node
  /// exists and has power.
  virtual Kernel& kernel(const std::string& node) = 0;
  [[nodiscard]] virtual Layout layout(const std::string& node) const = 0;
  [[nodiscard]] virtual bool is_on(const std::string& node) const = 0;

  virtual Status power_off(const std::string& node) = 0;
  virtual Status power_on(const std::string& node) = 0;
  virtual Status set_link(const std::string& a, const std::string& b, bool up) = 0;
  /// Leaves only `leave` free on the node's disk; std::nullopt gives all back.
  virtual Status fill_disk(const std::string& node, std::optional<Bytes> leave) = 0;

  /// Arms one fault for the node's commands and services; disarm with std::nullopt.
  virtual Status arm(const std::string& node, std::optional<CallFault> fault) = 0;
  /// Whether the fault that was armed last still waits for its call.
  [[nodiscard]] virtual bool armed(const std::string& node) const = 0;
  /// Kernel calls that the node's commands and services have made so far.
  [[nodiscard]] virtual std::uint64_t calls(const std::string& node) const = 0;

  [[nodiscard]] virtual std::vector<LifeRecord> life_records() const = 0;
  /// The backend's own bookkeeping.
  [[nodiscard]] virtual Status check() const = 0;
  [[nodiscard]] virtual std::uint64_t digest() const = 0;
};

/// Makes an empty stage; one for each run of a scenario.
using StageFactory = std::function<std::unique_ptr<Stage>()>;

}  // namespace twinhull::scenario
