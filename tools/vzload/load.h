// The loads that vzload makes. Each one ends with a Report, or says why it could not go on.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

namespace twinhull::load {

/// What one run did, printed as one JSON line.
struct Report {
  std::string kind;
  std::int64_t cpu_ns = 0;      ///< CPU time of the process
  std::uint64_t bytes = 0;      ///< memory held, bytes written, read, sent or received
  std::uint64_t operations = 0; ///< of direct disk I/O; files opened
  std::int64_t elapsed_ns = 0;  ///< wall time
  [[nodiscard]] std::string json() const;
};

/// A report, or one line that names the refusal.
using Outcome = std::expected<Report, std::string>;

struct CpuLoad {
  unsigned threads = 1;
  unsigned percent = 100;  ///< of each thread's CPU
  std::optional<double> seconds;
};
Outcome run_cpu(const CpuLoad& load);

struct TraceLoad {
  std::vector<unsigned> percents;  ///< of `cpus` CPUs; each holds for `interval` seconds
  double interval = 300;
  unsigned cpus = 1;
};
Outcome run_trace(const TraceLoad& load);

struct MemoryLoad {
  std::uint64_t grow = 0;   ///< bytes to hold
  std::uint64_t rate = 0;   ///< bytes a second; 0 = as fast as it goes
  double hold = 0;          ///< seconds to keep them
  std::uint64_t dirty = 0;  ///< bytes of pages a second to write again meanwhile
  std::string pattern = "uniform";  ///< which: uniform, hot (nine of ten in a tenth), sequential
  bool verify = false;  ///< each page has content of its own, which is read again at the end
};
Outcome run_memory(const MemoryLoad& load);

struct WriteLoad {
  std::string file;
  std::uint64_t bytes = 0;
  std::uint64_t rate = 0;
  bool sync = false;
  bool direct = false;               ///< past the page cache (O_DIRECT)
  std::uint64_t block = 64 << 10;    ///< bytes of one operation; a multiple of 4096
  std::optional<double> seconds;     ///< write the file over and over for so long
};
Outcome run_write(const WriteLoad& load);

/// Reads past the page cache, so that every byte comes from the disk.
struct ReadLoad {
  std::string file;
  std::uint64_t bytes = 0;           ///< 0 = the file once
  std::uint64_t rate = 0;
  std::uint64_t block = 64 << 10;
  std::optional<double> seconds;     ///< read from the beginning again and again for so long
};
Outcome run_read(const ReadLoad& load);

/// Holds many files open.
struct FilesLoad {
  std::uint64_t count = 1;           ///< at one time
  double hold = 0;                   ///< seconds to keep them
};
Outcome run_files(const FilesLoad& load);

/// Takes what clients send. A client that ends its stream is told what arrived: "BYTES DIGEST\n",
/// the digest as 16 hexadecimal digits (XXH3 of 64 bits).
struct ServeLoad {
  std::uint16_t port = 0;
  std::optional<double> seconds;
};
Outcome run_serve(const ServeLoad& load);

struct SendLoad {
  std::string address;
  std::uint16_t port = 0;
  std::uint64_t bytes = 0;  ///< 0 = until `seconds` are over
  std::uint64_t rate = 0;
  std::optional<double> seconds;
  bool verify = false;  ///< send bytes that tell their place, and demand the server's word for all
};
Outcome run_send(const SendLoad& load);

/// Seconds since an arbitrary start, steady.
double steady_seconds();
/// Sleeps so that `done` bytes at `rate` bytes a second are not ahead of the clock.
void pace(std::uint64_t done, std::uint64_t rate, double started);
/// Fills in CPU and wall time since `started`.
Report finish(std::string kind, std::uint64_t bytes, double started);

}  // namespace twinhull::load
