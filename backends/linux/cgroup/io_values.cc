#include "backends/linux/cgroup/io_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "backends/linux/cgroup/values.h"

namespace twinhull::linux_backend {
namespace {

/// The next piece of `rest` up to `end`, which is dropped.
std::string_view next(std::string_view& rest, char end) {
  const auto at = std::min(rest.find(end), rest.size());
  const std::string_view piece = rest.substr(0, at);
  rest.remove_prefix(std::min(rest.size(), at + 1));
  return piece;
}

std::uint64_t number_of(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

Status check_io_weight(Error frame, IoWeight weight) {
  if (weight.valid()) return {};
  frame.detail = fmt::format("a weight for disk time is {} to {}, not {}", IoWeight::kLeast,
                             IoWeight::kMost, weight.value);
  return frame;
}

Status check_io_limit(Error frame, const IoLimit& limit) {
  if (!limit.valid_bandwidth()) {
    frame.detail =
        fmt::format("bytes a second are {} to {}", IoLimit::kLeast, IoLimit::kMostBandwidth);
    return frame;
  }
  if (limit.valid_operations()) return {};
  frame.detail =
      fmt::format("operations a second are {} to {}", IoLimit::kLeast, IoLimit::kMostOperations);
  return frame;
}

Support bfq_support(CgroupTree& tree, const BlockDevice& disk) {
  const auto text = tree.read(fmt::format("/sys/block/{}/queue/scheduler", disk.name));
  if (text && active_scheduler(*text) == "bfq") {
    return {true, fmt::format("scheduler bfq of disk {}", disk.name)};
  }
  const bool offered = text && text->find("bfq") != std::string::npos;
  return {false,
          offered ? fmt::format("disk {} is scheduled by {}, which knows no weights; switch it: echo "
                                "bfq > /sys/block/{}/queue/scheduler",
                                disk.name, active_scheduler(*text), disk.name)
                  : fmt::format("disk {} is not offered the scheduler bfq, which knows weights; load it: "
                                "modprobe bfq (CONFIG_IOSCHED_BFQ)",
                                disk.name)};
}

bool cost_model_on(std::string_view text, const BlockDevice& disk) {
  while (!text.empty()) {
    const std::string_view line = next(text, '\n');
    if (line.starts_with(disk.number + " ")) return line.find("enable=1") != std::string_view::npos;
  }
  return false;
}

std::uint64_t parse_io_weight(std::string_view text) {
  std::string_view line = next(text, '\n');
  constexpr std::string_view kDefault = "default ";
  if (line.starts_with(kDefault)) line.remove_prefix(kDefault.size());
  return number_of(line);
}

std::string io_max_line(const BlockDevice& disk, const IoLimit& limit) {
  const std::string bytes = number_or_max(limit.bandwidth.value);
  const std::string operations = number_or_max(limit.operations);
  return fmt::format("{} rbps={} wbps={} riops={} wiops={}", disk.number, bytes, bytes, operations,
                     operations);
}

IoLimit parse_io_max(std::string_view text, const BlockDevice& disk) {
  IoLimit limit;
  while (!text.empty()) {
    std::string_view line = next(text, '\n');
    if (next(line, ' ') != disk.number) continue;
    while (!line.empty()) {
      std::string_view value = next(line, ' ');
      const std::string_view key = next(value, '=');
      if (value == "max") continue;
      if (key.ends_with("iops")) {
        limit.operations = std::min(limit.operations, number_of(value));
      } else {
        limit.bandwidth.value = std::min(limit.bandwidth.value, number_of(value));
      }
    }
  }
  return limit;
}

void add_v1_counters(std::string_view text, std::uint64_t& reads, std::uint64_t& writes) {
  while (!text.empty()) {
    std::string_view line = next(text, '\n');
    next(line, ' ');
    const std::string_view what = next(line, ' ');
    if (what == "Read") reads += number_of(line);
    if (what == "Write") writes += number_of(line);
  }
}

void add_io_stat(std::string_view text, IoSample& sample) {
  while (!text.empty()) {
    std::string_view line = next(text, '\n');
    next(line, ' ');
    while (!line.empty()) {
      std::string_view value = next(line, ' ');
      const std::string_view key = next(value, '=');
      if (key == "rbytes") sample.read.value += number_of(value);
      if (key == "wbytes") sample.written.value += number_of(value);
      if (key == "rios") sample.reads += number_of(value);
      if (key == "wios") sample.writes += number_of(value);
    }
  }
}

}  // namespace twinhull::linux_backend
