// A container's processes and network as plain data: what the images of a checkpoint hold.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/sim/net/net_model.h"
#include "backends/sim/process/process_model.h"
#include "runtime/kernel/checkpoints.h"

namespace twinhull::sim {

/// One process; its program's state follows in the archive.
struct CapturedProcess {
  std::int32_t pid = 0, parent = 0, inner_pid = 0;
  std::string group;  ///< below the container's own, "" or "/build"
  std::string root;   ///< directory below the container's root, "" = that
  std::string directory;
  std::map<std::string, std::string> environment;
  std::vector<std::string> argv;
  std::uint32_t threads = 1, depth = 0;
  bool stopped = false;
  Duration cpu_used{0};
  std::optional<CpuDemand> demand;
  Bytes held;                 ///< in the images and their parents
  std::uint64_t missing = 0;  ///< pages that a lazy dump held back
  std::int32_t oom_adjust = 0;
  std::optional<Duration> timer;  ///< time until it goes off
  std::deque<ProcessEvent> inbox;
  ProcessStreams streams;
  ProgramKind kind = ProgramKind::idle;
};

/// A connection that a process made; the way is looked for anew.
struct CapturedFlow {
  std::int32_t pid = 0, server = 0;
  std::uint32_t node = 0, space = 0;  ///< where it ends
  IpAddress destination;
  std::uint16_t port = 0;
  std::uint64_t total = kUnlimited, most_rate = kUnlimited;
  std::uint64_t moved = 0, fraction = 0;
  bool done = false, lost = false;
};

/// A connection into the container: a flow of some node to a server inside.
struct CapturedConnection {
  std::uint32_t node = 0;
  std::uint64_t flow = 0;
  std::int32_t server = 0;  ///< pid
};

/// A device but the loopback.
struct CapturedDevice {
  std::string mac;
  bool up = false;
  std::vector<IpPrefix> addresses;
  LinkCounters counters;
};

struct CapturedContainer {
  std::string hostname;
  std::uint64_t open_files = 1024;
  std::int32_t next_inner = 1;
  std::map<std::string, CapturedDevice> devices;
  std::vector<Route> routes;
  std::map<std::uint16_t, std::int32_t> servers;
  std::map<std::int32_t, std::uint64_t> received;
  std::map<std::uint64_t, CapturedFlow> flows;  ///< of the processes, by number
  std::vector<CapturedConnection> connections;
  std::vector<CapturedProcess> processes;          ///< by inner number: init first
  std::vector<std::unique_ptr<Program>> programs;  ///< one each
};

/// What keeps the container from being dumped, in the order of processes. Errors as
/// Checkpoints::dump.
Status find_hindrance(ProcessModel& table, std::uint32_t space,
                      const std::vector<VethEnds>& devices, std::string_view operation);

/// All of them, and what the processes hold.
Survey survey_of(ProcessModel& table, std::uint32_t space);

/// The state in its archive form. Precondition: the container stands still and nothing hinders.
std::string capture_state(ProcessModel& table, std::uint32_t space);

/// Inverse. Error: corrupt.
Result<CapturedContainer> parse_state(std::string_view state, const std::string& path);

/// Makes the container of the images on this node: its space, processes and devices, frozen in
/// `spec.cgroup`. After an error nothing of it is left. Errors as Checkpoints::restore.
Result<ProcessRef> revive_container(Node& node, const RestoreSpec& spec, CapturedContainer state);

}  // namespace twinhull::sim
