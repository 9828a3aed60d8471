#include "backends/linux/cgroup/device_program.h"

#include <linux/bpf.h>

#include <array>
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <vector>

using namespace twinhull;
using namespace twinhull::linux_backend;

namespace {

/// Runs a program as the kernel would, for the few instructions that it uses; -1 = it left the
/// program or met another instruction.
int interpret(const std::vector<BpfInstruction>& program, const bpf_cgroup_dev_ctx& context) {
  std::array<std::uint64_t, 11> registers{};
  const std::array<std::uint32_t, 3> words = {context.access_type, context.major, context.minor};
  for (std::size_t at = 0; at < program.size(); ++at) {
    const auto& now = program[at];
    auto& destination = registers.at(now.registers & 0xf);
    const auto source = registers.at(now.registers >> 4);
    const auto immediate = static_cast<std::uint32_t>(now.immediate);
    switch (now.code) {
      case BPF_LDX | BPF_MEM | BPF_W:
        destination = words.at(static_cast<std::size_t>(now.offset) / 4);
        break;
      case BPF_ALU64 | BPF_MOV | BPF_X: destination = source; break;
      case BPF_ALU64 | BPF_MOV | BPF_K: destination = immediate; break;
      case BPF_ALU | BPF_AND | BPF_K: destination &= immediate; break;
      case BPF_ALU | BPF_RSH | BPF_K: destination >>= immediate; break;
      case BPF_JMP | BPF_JNE | BPF_K:
        if (destination != immediate) at += static_cast<std::size_t>(now.offset);
        break;
      case BPF_JMP | BPF_EXIT: return static_cast<int>(registers[0]);
      default: return -1;
    }
  }
  return -1;
}

int ask(const std::vector<DeviceRule>& rules, char type, std::uint32_t major, std::uint32_t minor,
        std::uint32_t access) {
  const std::uint32_t kind = type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR;
  return interpret(device_program(rules),
                   {.access_type = access << 16 | kind, .major = major, .minor = minor});
}

constexpr std::uint32_t kMknod = BPF_DEVCG_ACC_MKNOD, kRead = BPF_DEVCG_ACC_READ,
                        kWrite = BPF_DEVCG_ACC_WRITE;

}  // namespace

BOOST_AUTO_TEST_SUITE(device_programs)

BOOST_AUTO_TEST_CASE(no_rule_allows_nothing) {
  BOOST_TEST(ask({}, 'c', 1, 3, kRead) == 0);
  BOOST_TEST(ask({}, 'b', 8, 0, kMknod) == 0);
}

BOOST_AUTO_TEST_CASE(a_rule_covers_its_device_and_access_only) {
  const std::vector<DeviceRule> rules = {{'c', 1, 3, true, true, false}};
  BOOST_TEST(ask(rules, 'c', 1, 3, kRead) == 1);
  BOOST_TEST(ask(rules, 'c', 1, 3, kRead | kWrite) == 1);
  BOOST_TEST(ask(rules, 'c', 1, 3, kMknod) == 0);
  BOOST_TEST(ask(rules, 'c', 1, 3, kRead | kMknod) == 0);
  BOOST_TEST(ask(rules, 'b', 1, 3, kRead) == 0);
  BOOST_TEST(ask(rules, 'c', 1, 5, kRead) == 0);
  BOOST_TEST(ask(rules, 'c', 2, 3, kRead) == 0);
}

BOOST_AUTO_TEST_CASE(missing_numbers_cover_all) {
  const std::vector<DeviceRule> rules = {{'c', 136, std::nullopt, true, true, false},
                                         {'b', std::nullopt, std::nullopt, false, false, true}};
  BOOST_TEST(ask(rules, 'c', 136, 0, kRead | kWrite) == 1);
  BOOST_TEST(ask(rules, 'c', 136, 4095, kRead) == 1);
  BOOST_TEST(ask(rules, 'c', 137, 0, kRead) == 0);
  BOOST_TEST(ask(rules, 'b', 8, 16, kMknod) == 1);
  BOOST_TEST(ask(rules, 'b', 8, 16, kRead) == 0);
}

BOOST_AUTO_TEST_CASE(later_rules_are_reached_and_full_access_too) {
  const std::vector<DeviceRule> rules = {{'c', 1, 3, true, false, false},
                                         {'c', 1, 5, true, true, true},
                                         {'c', 10, 200, true, true, false}};
  BOOST_TEST(ask(rules, 'c', 1, 3, kWrite) == 0);
  BOOST_TEST(ask(rules, 'c', 1, 5, kRead | kWrite | kMknod) == 1);
  BOOST_TEST(ask(rules, 'c', 10, 200, kWrite) == 1);
  BOOST_TEST(ask(rules, 'c', 10, 201, kWrite) == 0);
}

BOOST_AUTO_TEST_SUITE_END()
