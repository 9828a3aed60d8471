// vzload, modelled natively: loads as state machines whose cost is exact.
#pragma once

#include <string>
#include <vector>

#include "backends/sim/process/process_model.h"
#include "backends/sim/programs/launch.h"

namespace twinhull::sim {

/// What a vzload was asked to do.
struct LoadSpec {
  enum class Kind : std::uint8_t { cpu, memory, write, serve, send, trace, read, files };
  Kind kind = Kind::cpu;
  std::uint32_t threads = 1;
  std::uint64_t hundredths_of_percent = 10'000;  ///< of each thread's CPU; what it does not get it owes
  bool has_end = false;
  Duration length{0};                            ///< --for, --hold; trace: --interval
  Bytes bytes{kUnlimited};
  std::uint64_t rate = 0;                        ///< bytes a second; 0 = as fast as it goes
  /// write: fsync at the end; send: the server says what arrived; memory: all is read at the end
  /// (both --verify)
  bool sync = false;
  std::uint64_t dirty = 0;                       ///< memory: bytes of pages a second written again
  DirtyPattern pattern = DirtyPattern::uniform;
  bool direct = false;                           ///< write: past the page cache, as read always is
  std::uint64_t block = 64U << 10U;              ///< write --direct, read: bytes of one operation
  std::string file;
  IpAddress address;
  std::uint16_t port = 0;
  std::uint32_t files = 0;                       ///< to open at one time
  std::vector<std::uint32_t> trace;              ///< hundredths of a percent of `threads` CPUs
};

class LoadProgram final : public Program {
 public:
  LoadProgram() = default;
  explicit LoadProgram(LoadSpec spec) : spec_(std::move(spec)) {}
  [[nodiscard]] ProgramKind kind() const override { return ProgramKind::load; }
  void handle(ProcessModel& table, SimProcess& process, const ProcessEvent& event) override;
  void leave(ProcessModel& table, SimProcess& process) override;
  [[nodiscard]] PageWrites page_writes(Instant now) const override;
  [[nodiscard]] std::uint64_t pages_read(const ProcessEvent& event) const override;
  void relocate(const Relocation& relocation) override;
  [[nodiscard]] bool uses_disk() const override {
    return spec_.kind == LoadSpec::Kind::write || spec_.kind == LoadSpec::Kind::read;
  }
  void save(SaveArchive& archive) const override;
  void load(LoadArchive& archive) override;

 private:
  void start(ProcessModel& table, SimProcess& process);
  void grow(ProcessModel& table, SimProcess& process);
  /// --dirty: counts what was written since the last look.
  void dirty(ProcessModel& table, SimProcess& process);
  /// Bytes that --dirty wrote since the last look; a step at most, for the rest it stood still.
  [[nodiscard]] std::uint64_t freshly_dirtied(Instant now) const;
  void write(ProcessModel& table, SimProcess& process);
  void write_direct(ProcessModel& table, SimProcess& process);
  void read(ProcessModel& table, SimProcess& process);
  void end_writing(ProcessModel& table, SimProcess& process);
  /// Appends to the file as far as it is shorter than --bytes; false = refused, the process is gone.
  bool extend(ProcessModel& table, SimProcess& process, std::uint64_t part);
  /// Hands `blocks` of disk I/O in; the load goes on when they are done.
  void request(ProcessModel& table, SimProcess& process, IoDirection direction, std::uint64_t most);
  /// Whether all is moved, or the time is over.
  [[nodiscard]] bool done(const ProcessModel& table) const;
  /// --rate: when the next piece is due.
  [[nodiscard]] Instant due() const;
  void demand(ProcessModel& table, SimProcess& process);
  void end(ProcessModel& table, SimProcess& process);
  void refuse(ProcessModel& table, SimProcess& process, const std::string& text);

  LoadSpec spec_;
  Instant begun_{};
  std::uint64_t bytes_ = 0;       ///< moved
  std::uint64_t operations_ = 0;  ///< direct only
  std::uint64_t size_ = 0;        ///< of the file
  std::uint64_t issued_ = 0;      ///< bytes at the disk just now
  bool flushing_ = false;
  std::uint64_t line_ = 0;
  std::uint64_t flow_ = 0;
  bool holding_ = false;
  Instant held_until_{}, looked_{};  ///< --dirty only
  std::uint64_t dirtied_ = 0;        ///< bytes
};

/// `vzload …`: parses the command line; a wrong one is a message and exit code 2.
int applet_vzload(AppletCall& call);

}  // namespace twinhull::sim
