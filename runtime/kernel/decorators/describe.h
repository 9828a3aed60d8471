// Stable text of every value that crosses the seam: for traces, comparisons and messages.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/channels.h"
#include "runtime/kernel/checkpoints.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/links.h"
#include "runtime/kernel/mounts.h"
#include "runtime/kernel/processes.h"
#include "runtime/kernel/quotas.h"
#include "runtime/kernel/units.h"

namespace twinhull::decorators {

/// Appends values as text. Equal values give equal text on every compiler and machine: no address,
/// no locale, no floating point. Content of files and messages appears quoted when it is short and
/// printable, otherwise as its size and 64-bit hash, so that a trace stays small.
class Describer {
 public:
  explicit Describer(std::string& out) : out_(out) {}

  /// Adds one value, after a space when something is there already.
  template <typename T>
  Describer& operator()(const T& value) {
    if (!out_.empty()) out_ += ' ';
    add(value);
    return *this;
  }

 private:
  void add(std::string_view content);
  void add(const std::string& content) { add(std::string_view(content)); }
  void add(const char*) = delete;  // would be taken for a bool
  void add(bool value) { out_ += value ? "true" : "false"; }
  void add(std::int32_t value) { out_ += std::to_string(value); }
  void add(std::uint32_t value) { out_ += std::to_string(value); }
  void add(std::uint64_t value);
  void add(char value) { out_ += value; }
  void add(Duration value) { out_ += std::to_string(value.count()) + "ns"; }
  void add(Instant value) { add(value.time_since_epoch()); }
  template <typename Tag>
  void add(const twinhull::detail::Amount<Tag>& amount) {
    add(amount.value);
  }
  template <typename T>
  void add(const std::optional<T>& value) {
    if (value)
      add(*value);
    else
      out_ += '-';
  }
  template <typename T>
  void add(const std::vector<T>& values) {
    out_ += '[';
    for (bool first = true; const T& value : values) {
      if (!first) out_ += ' ';
      first = false;
      add(value);
    }
    out_ += ']';
  }

  void add(Effect effect) { out_ += effect == Effect::changed ? "changed" : "none"; }
  void add(FileKind kind);
  void add(const FileInfo& info);
  void add(const DirectoryEntry& entry);
  void add(const Ownership& owner);
  void add(const TreeSize& size);
  void add(const OverlaySpec& spec);
  void add(const MountInfo& info);
  void add(const ProcessRef& process);
  void add(Signal signal);
  void add(const ExitStatus& status);
  void add(const EnvironmentVariable& variable);
  void add(const DeviceRule& rule);
  void add(const IdMapping& mapping);
  void add(const ResourceLimit& limit);
  void add(const SpawnSpec& spec);
  void add(const ExecSpec& spec);
  void add(const ExecOutcome& outcome);
  void add(const ProcessFacts& facts);
  void add(const LabeledProcess& process);
  void add(const CgroupPath& path) { out_ += path.text; }
  void add(const CpuSet& cpus) { out_ += cpus.text(); }
  void add(const CpuQuota& quota);
  void add(const CpuShares& shares) { add(shares.value); }
  void add(const MemoryLimit& limit);
  void add(const IoWeight& weight) { add(weight.value); }
  void add(const IoLimit& limit);
  void add(FreezeState state);
  void add(const CgroupSample& sample);
  void add(const CgroupLimits& limits);
  void add(QuotaMechanism mechanism) { out_ += to_string(mechanism); }
  void add(const TreeLimit& limit);
  void add(const TreeUsage& usage);
  void add(const NetScope& scope);
  void add(const IpAddress& address) { out_ += address.text(); }
  void add(const IpPrefix& prefix) { out_ += prefix.text(); }
  void add(const VethSpec& spec);
  void add(const Route& route);
  void add(const LinkInfo& link);
  void add(const TransferOptions& options);
  void add(const TransferResult& result);
  void add(const std::unique_ptr<Channel>&) { out_ += "channel"; }
  void add(const VethEnds& ends) { out_ += ends.inside + ':' + ends.node; }
  void add(AfterDump after);
  void add(const Survey& survey);
  void add(const PreDumpSpec& spec);
  void add(const DumpSpec& spec);
  void add(const DumpResult& result);
  void add(const SentDump& sent);
  void add(const RestoreSpec& spec);
  void add(const RestoreResult& result);
  void add(const PagesMoved& moved);
  void add(Feature feature) { out_ += to_string(feature); }
  void add(const Support& support);
  void add(const HostInfo& info);
  void add(const LoadAverage& load);
  void add(const HostUsage& usage);
  void add(const DiskInfo& disk);

  std::string& out_;
};

/// Text of one value.
template <typename T>
std::string describe(const T& value) {
  std::string text;
  Describer{text}(value);
  return text;
}

/// 64-bit hash of bytes (XXH3), continuing from `seed`: the digest of traces.
std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t seed = 0);
/// Sixteen lower-case hexadecimal digits.
std::string hex16(std::uint64_t value);

}  // namespace twinhull::decorators
