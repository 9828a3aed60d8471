// A scenario as data: the world that it needs and the steps that it takes.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "runtime/kernel/error.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/units.h"
#include "scenarios/engine/text.h"
#include "scenarios/engine/tree.h"

namespace twinhull::scenario {

/// One node of the scenario's world. Sizes act on the simulator only; a real node is what it is.
struct NodePlan {
  std::string name;
  std::uint32_t cpus = 4;
  std::uint64_t cpu_mhz = 2400;
  std::vector<std::string> cpu_features = {};  ///< empty = the simulator's usual ones
  Bytes memory{std::uint64_t{8} << 30};
  Bytes swap{0};
  Bytes disk{std::uint64_t{100} << 30};
  Inodes inodes{10'000'000};
  BytesPerSecond disk_bandwidth{200'000'000};
  std::uint64_t disk_iops = 20'000;  ///< operations a second
  std::string kernel = {};           ///< release, such as "6.1"; empty = the simulator's own
  bool lazy_pages = true;            ///< its kernel has that feature
  std::uint32_t memory_nodes = 1;  ///< NUMA nodes, at most as many as CPUs
};

/// A cable between two nodes.
struct LinkPlan {
  std::string a, b;
  BitsPerSecond bandwidth{1'000'000'000};
  Duration latency{microseconds(200)};
  std::uint32_t loss_per_million = 0;
};

/// A template that is cached on every node, or on those that are named.
struct TemplatePlan {
  std::string name;
  std::vector<std::string> nodes;  ///< empty = all
  enum class Kind { busybox, debian } kind = Kind::busybox;
  Bytes bulk{0};  ///< further content, to make it as large as a real one (simulator only)
};

/// What a command's output must look like. An empty check accepts everything.
struct OutputCheck {
  std::vector<std::string> contains;
  std::vector<std::string> lacks;
  std::vector<std::string> matches;               ///< ECMAScript regular expressions, searched
  std::optional<std::vector<std::string>> lines;  ///< exactly these, blanks squeezed
  bool empty = false;                             ///< nothing at all was written
};

/// A command's required end.
struct EndCheck {
  std::vector<int> exits{0};
  OutputCheck out;
  OutputCheck error;
  std::optional<Duration> timeout;  ///< the command must end within; default 10 min
  std::optional<Range> elapsed;     ///< how long it took, on the stage's clock
};

/// `run:` / `start:` a command line on a node. Its first word is a program of ours.
struct RunStep {
  std::string line;
  std::vector<std::string> argv;
  std::string node;
  std::string input;
  bool background = false;  ///< `start:`: goes on while the next steps run
  std::string id;           ///< of a background command
  EndCheck end;
};
/// `wait:` for a background command.
struct WaitStep {
  std::string id;
  EndCheck end;
};
/// `sleep:` lets time pass.
struct SleepStep {
  Duration length{0};
};
/// `put:` writes (or removes) a file on a node, or in a container through its mounted root.
struct PutStep {
  std::string node;
  std::optional<CtId> container;
  std::string path;
  std::string content;
  std::uint32_t mode = 0644;
  bool remove = false;
};
/// `write:` stores data in a container, syncs it, and remembers it: it must be there ever after.
struct WriteStep {
  std::string node;
  CtId container;
  std::string path;
  std::string content;
};
/// `forget:` data of a container that the scenario is going to destroy.
struct ForgetStep {
  CtId container;
};
/// `load:` runs vzload inside a container in the background.
struct LoadStep {
  std::string node;
  CtId container;
  std::string id;
  std::vector<std::string> argv;  ///< of vzload, without its name
  /// Playback of a row of a trace file: percentages of `trace_cpus` CPUs, one a `trace_interval`.
  std::vector<std::uint32_t> trace;
  Duration trace_interval{seconds(300)};
  std::uint32_t trace_cpus = 1;
};
/// `record:` samples the CPU of every container for a while: a series for the report.
struct RecordStep {
  std::string title;
  Duration every{seconds(300)};
  Duration length{0};
};

/// `fault:`
struct FaultStep {
  enum class Kind {
    power_off,
    power_on,
    cut_link,
    mend_link,
    fill_disk,
    free_disk,
    fail_call,
    power_cut_at,
    kill_at,
    kill,
    interrupt,
    clear
  };
  Kind kind = Kind::power_off;
  std::string node;
  std::string peer;            ///< cut_link, mend_link
  std::optional<Bytes> leave;  ///< fill_disk: free space that stays
  std::string id;              ///< kill, interrupt
  std::string call;            ///< "files.write"; empty = any call
  std::string object;          ///< part of the call's object; empty = any
  std::uint64_t nth = 1;       ///< the nth such call from now on
  ErrorCode code = ErrorCode::input_output;
};

struct ContainerCheck {
  CtId container;
  enum class State { running, stopped, mounted, paused, suspended, absent } state = State::stopped;
  std::string node;
};
/// The container's area, configuration and init are on this node and on no other.
struct OnlyOnCheck {
  CtId container;
  std::string node;
};
struct CpuShareCheck {
  std::string node;
  std::map<CtId, std::int64_t> weights;   ///< relative shares, in thousandths
  std::map<CtId, std::int64_t> percents;  ///< of one CPU, in thousandths
  Duration over{0};
  std::optional<std::int64_t> real_tolerance;  ///< the same on a real machine, which has other work
  std::int64_t tolerance = 2'000;  ///< thousandths of a percent: 2000 = 2 %
  std::optional<Range> throttled_periods;
};
struct CounterCheck {
  enum class What {
    memory_usage,
    memory_anonymous,
    oom_kills,
    limit_hits,
    swap,
    pids,
    pids_refused,
    received,
    sent,
    dropped,
    io_read,
    io_written,
    io_reads,
    io_writes,
    disk_bytes,
    disk_inodes,
    disk_limit,
    inode_limit
  };
  What what = What::pids;
  CtId container;
  std::string node;
  Range range;
};
struct FileCheck {
  std::string node;
  std::optional<CtId> container;
  std::string path;
  bool absent = false;
  OutputCheck content;
};
struct DowntimeCheck {
  CtId container;
  Range range;
};
/// Sums over the last `record:`.
struct RecordCheck {
  std::string node;                ///< empty = all
  std::optional<Range> delivered;  ///< percent of demand, thousandths
  std::optional<Range> throttled;  ///< containers that were throttled at all
};
using Check = std::variant<ContainerCheck, OnlyOnCheck, CpuShareCheck, CounterCheck, FileCheck,
                           DowntimeCheck, RecordCheck>;
struct MarkedCheck {
  Mark mark;
  Check check;
};
struct ExpectStep {
  std::vector<MarkedCheck> checks;
};

struct Step {
  Mark mark;
  std::string title;              ///< for people: `step:` or made from the action
  std::optional<Duration> at;     ///< not before this time since the start
  std::optional<Duration> after;  ///< this much later than the step before
  std::variant<RunStep, WaitStep, SleepStep, PutStep, WriteStep, ForgetStep, LoadStep, RecordStep,
               FaultStep, ExpectStep>
      action;
};

struct Scenario {
  std::string file;
  std::string name;
  std::string description;
  std::string area;       ///< lifecycle, scheduler, quota, io, network, migration
  bool portable = false;  ///< runs on every backend
  /// What every node's kernel must have (Host::supports); elsewhere the scenario is left out.
  std::vector<Feature> needs;
  bool explore = false;   ///< part of the crash exploration of the suite
  std::vector<std::uint64_t> seeds{1};
  std::vector<CtId> twins;  ///< numbers that are used on several nodes on purpose
  std::vector<NodePlan> nodes;
  std::vector<LinkPlan> links;
  std::vector<TemplatePlan> templates;
  std::vector<Step> steps;

  [[nodiscard]] const NodePlan* node(std::string_view node_name) const;
};

/// Areas of the suite, in the order in which they are shown.
const std::vector<std::string>& areas();

/// Reads the files that a scenario names (traces). Arguments: a path relative to the data
/// directory. The engine itself opens no file.
using DataReader = std::function<std::optional<std::string>(const std::string& path)>;

/// Reads a scenario. `file` is used in messages. On failure `problems` says what and where, as
/// many as were found, and nothing is returned.
std::optional<Scenario> parse_scenario(std::string_view text, const std::string& file,
                                       const DataReader& data, Diagnostics& problems);

}  // namespace twinhull::scenario
