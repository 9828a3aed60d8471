// vzload: makes a known load inside a container. The simulator models the same command line.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <string>

#include "load.h"

namespace {

using namespace twinhull::load;

// "%" traces are plain text: one whole number a line, 0…100.
std::vector<unsigned> read_trace(const std::string& path, std::string& error) {
  std::ifstream in(path);
  if (!in) error = path + ": cannot read";
  std::vector<unsigned> percents;
  std::string line;
  while (error.empty() && std::getline(in, line)) {
    if (line.empty() || line[0] == '#') continue;
    unsigned value = 101;
    try {
      std::size_t used = 0;
      const unsigned long parsed = std::stoul(line, &used);
      if (used == line.size() && parsed <= 100) value = static_cast<unsigned>(parsed);
    } catch (const std::exception&) {
      value = 101;
    }
    if (value > 100)
      error = path + ": line " + std::to_string(percents.size() + 1) + ": \"" + line +
              "\" is not a whole percentage 0…100";
    percents.push_back(value);
  }
  return percents;
}

constexpr const char* kAligned =
    "direct I/O needs --bytes and --block (4096 to 16M) as multiples of 4096";

bool bad_block(std::uint64_t block, std::uint64_t bytes) {
  return block < 4096 || block > (16 << 20) || block % 4096 != 0 || bytes % 4096 != 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"vzload: makes a known CPU, memory, disk or network load"};
  app.require_subcommand(1);
  app.footer(
      "Examples:\n"
      "  vzload cpu --threads 2 --for 10\n"
      "  vzload memory --grow 64M --hold 5\n"
      "  vzload memory --grow 64M --hold 60 --dirty 10M --pattern hot\n"
      "  vzload write /data --bytes 100M --sync\n"
      "  vzload write /data --bytes 100M --direct --block 4K --for 10\n"
      "  vzload read /data\n"
      "  vzload files --count 1000 --hold 5\n"
      "  vzload serve 5001 --for 10\n"
      "  vzload send 10.0.0.2 5001 --bytes 10M --verify\n"
      "  vzload trace /demand --interval 300\n"
      "Amounts take the suffixes K, M and G (times 1024). Ends by printing one JSON line.");
  const auto size = CLI::AsSizeValue(false);
  std::optional<Outcome> outcome;

  CpuLoad cpu;
  auto* cpu_command = app.add_subcommand("cpu", "Burn CPU time");
  cpu_command->add_option("--threads", cpu.threads, "Threads")->check(CLI::Range(1, 1024));
  cpu_command->add_option("--percent", cpu.percent, "Of one CPU, each thread; what it does not get it owes, up to a second of its demand")
      ->check(CLI::Range(0, 100));
  cpu_command->add_option("--for", cpu.seconds, "Seconds; without it for ever")->check(CLI::PositiveNumber);
  cpu_command->callback([&] { outcome = run_cpu(cpu); });

  MemoryLoad memory;
  auto* memory_command = app.add_subcommand("memory", "Hold memory");
  memory_command->add_option("--grow", memory.grow, "Bytes to hold")->required()->transform(size);
  memory_command->add_option("--rate", memory.rate, "Bytes a second")->transform(size);
  memory_command->add_option("--hold", memory.hold, "Seconds to keep them")->check(CLI::NonNegativeNumber);
  memory_command->add_option("--dirty", memory.dirty, "Bytes of pages a second to write again meanwhile")
      ->transform(size)->check(CLI::Range(std::uint64_t{4096}, std::uint64_t{1} << 62));
  memory_command->add_option("--pattern", memory.pattern, "Which pages: uniform, hot or sequential")
      ->check(CLI::IsMember({"uniform", "hot", "sequential"}));
  memory_command->add_flag("--verify", memory.verify,
                           "Fail unless every byte is still there after --hold; not with --dirty");
  memory_command->callback([&] {
    outcome = memory.verify && memory.dirty != 0
                  ? Outcome(std::unexpected("--verify and --dirty exclude each other"))
              : memory.dirty != 0 && (memory.hold == 0 || memory.grow < 4096)
                  ? Outcome(std::unexpected("--dirty needs --hold, and a page to write to"))
                  : run_memory(memory);
  });

  WriteLoad writing;
  auto* write_command = app.add_subcommand("write", "Write a file");
  write_command->add_option("FILE", writing.file, "File to write")->required();
  write_command->add_option("--bytes", writing.bytes, "Bytes to write")->required()->transform(size);
  write_command->add_option("--rate", writing.rate, "Bytes a second")->transform(size);
  write_command->add_flag("--sync", writing.sync, "fsync(2) at the end");
  write_command->add_flag("--direct", writing.direct, "Past the page cache");
  write_command->add_option("--block", writing.block, "Bytes of one operation")->transform(size);
  write_command->add_option("--for", writing.seconds, "Seconds to write it over and over")->check(CLI::PositiveNumber);
  write_command->callback([&] { 
    outcome = bad_block(writing.block, writing.direct ? writing.bytes : 0)
                  ? Outcome(std::unexpected(std::string(kAligned)))
                  : run_write(writing);
  });

  ReadLoad reading;
  auto* read_command = app.add_subcommand("read", "Read a file past the page cache");
  read_command->add_option("FILE", reading.file, "File to read")->required();
  read_command->add_option("--bytes", reading.bytes, "Bytes to read; without it the file once")->transform(size);
  read_command->add_option("--rate", reading.rate, "Bytes a second")->transform(size);
  read_command->add_option("--block", reading.block, "Bytes of one operation")->transform(size);
  read_command->add_option("--for", reading.seconds, "Seconds to read it again and again")->check(CLI::PositiveNumber);
  read_command->callback([&] { outcome = bad_block(reading.block, reading.bytes) ? Outcome(std::unexpected(std::string(kAligned))) : run_read(reading); });

  FilesLoad files;
  auto* files_command = app.add_subcommand("files", "Hold files open");
  files_command->add_option("--count", files.count, "Files at one time")->required()->check(CLI::Range(1, 1'000'000));
  files_command->add_option("--hold", files.hold, "Seconds to keep them")->check(CLI::NonNegativeNumber);
  files_command->callback([&] { outcome = run_files(files); });

  ServeLoad serve;
  auto* serve_command = app.add_subcommand("serve", "Take what vzload send sends");
  serve_command->add_option("PORT", serve.port, "TCP port")->required()->check(CLI::Range(1, 65535));
  serve_command->add_option("--for", serve.seconds, "Seconds; without it for ever")->check(CLI::PositiveNumber);
  serve_command->callback([&] { outcome = run_serve(serve); });

  SendLoad sending;
  auto* send_command = app.add_subcommand("send", "Send over TCP");
  send_command->add_option("ADDRESS", sending.address, "Numeric IPv4 or IPv6 address")->required();
  send_command->add_option("PORT", sending.port, "TCP port")->required()->check(CLI::Range(1, 65535));
  send_command->add_option("--bytes", sending.bytes, "Bytes to send")->transform(size);
  send_command->add_option("--rate", sending.rate, "Bytes a second")->transform(size);
  send_command->add_option("--for", sending.seconds, "Seconds at most")->check(CLI::PositiveNumber);
  send_command->add_flag("--verify", sending.verify,
                         "Fail unless the server got every byte, in order and once");
  send_command->callback([&] {
    if (sending.bytes == 0 && !sending.seconds)
      outcome = std::unexpected(std::string("send: give --bytes or --for, or it never ends"));
    else
      outcome = run_send(sending);
  });

  TraceLoad trace;
  std::string trace_file;
  auto* trace_command = app.add_subcommand("trace", "Play back CPU demand, one percentage a line");
  trace_command->add_option("FILE", trace_file, "One whole percentage a line")->required();
  trace_command->add_option("--interval", trace.interval, "Seconds that each line holds")->check(CLI::PositiveNumber);
  trace_command->add_option("--cpus", trace.cpus, "CPUs that 100 % stands for")->check(CLI::Range(1, 1024));
  trace_command->callback([&] {
    std::string error;
    trace.percents = read_trace(trace_file, error);
    outcome = error.empty() ? run_trace(trace) : Outcome(std::unexpected(error));
  });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (!outcome) return 2;
  if (!*outcome) {
    std::fprintf(stderr, "vzload: %s\n", outcome->error().c_str());
    return 1;
  }
  std::printf("%s\n", (*outcome)->json().c_str());
  return 0;
}
