#include "backends/linux/cgroup/device_program.h"

#include <linux/bpf.h>

#include <cstddef>

namespace twinhull::linux_backend {
namespace {

enum Register : std::uint8_t { kR0, kContext, kType, kAccess, kMajor, kMinor, kScratch };

constexpr std::int32_t kTypeMask = 0xffff;
constexpr std::int32_t kAccessShift = 16;

std::uint8_t pair(Register destination, Register source = kR0) {
  return static_cast<std::uint8_t>(destination | (source << 4));
}

BpfInstruction load(Register destination, std::size_t offset) {
  return {.code = BPF_LDX | BPF_MEM | BPF_W,
          .registers = pair(destination, kContext),
          .offset = static_cast<std::int16_t>(offset)};
}
BpfInstruction move(Register destination, Register source) {
  return {.code = BPF_ALU64 | BPF_MOV | BPF_X, .registers = pair(destination, source)};
}
BpfInstruction set(Register destination, std::int32_t value) {
  return {.code = BPF_ALU64 | BPF_MOV | BPF_K, .registers = pair(destination), .immediate = value};
}
BpfInstruction apply(std::uint8_t operation, Register destination, std::int32_t value) {
  return {.code = static_cast<std::uint8_t>(BPF_ALU | operation | BPF_K),
          .registers = pair(destination),
          .immediate = value};
}
BpfInstruction skip_unless_equal(Register left, std::int32_t value, std::size_t distance) {
  return {.code = BPF_JMP | BPF_JNE | BPF_K,
          .registers = pair(left),
          .offset = static_cast<std::int16_t>(distance),
          .immediate = value};
}
BpfInstruction leave() { return {.code = BPF_JMP | BPF_EXIT}; }

std::int32_t access_bits(const DeviceRule& rule) {
  return (rule.read ? BPF_DEVCG_ACC_READ : 0) | (rule.write ? BPF_DEVCG_ACC_WRITE : 0) |
         (rule.mknod ? BPF_DEVCG_ACC_MKNOD : 0);
}

}  // namespace

std::vector<BpfInstruction> device_program(const std::vector<DeviceRule>& allowed) {
  std::vector<BpfInstruction> program = {
      load(kType, offsetof(bpf_cgroup_dev_ctx, access_type)),
      move(kAccess, kType),
      apply(BPF_AND, kType, kTypeMask),
      apply(BPF_RSH, kAccess, kAccessShift),
      load(kMajor, offsetof(bpf_cgroup_dev_ctx, major)),
      load(kMinor, offsetof(bpf_cgroup_dev_ctx, minor)),
  };
  constexpr std::int32_t kAll = BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE | BPF_DEVCG_ACC_MKNOD;
  for (const auto& rule : allowed) {
    std::vector<BpfInstruction> block;
    // Distances are filled in last: each test leads past the block's end.
    block.push_back(skip_unless_equal(
        kType, rule.type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR, 0));
    if (access_bits(rule) != kAll) {
      block.push_back(move(kScratch, kAccess));
      block.push_back(apply(BPF_AND, kScratch, kAll & ~access_bits(rule)));
      block.push_back(skip_unless_equal(kScratch, 0, 0));
    }
    if (rule.major) {
      block.push_back(skip_unless_equal(kMajor, static_cast<std::int32_t>(*rule.major), 0));
    }
    if (rule.minor) {
      block.push_back(skip_unless_equal(kMinor, static_cast<std::int32_t>(*rule.minor), 0));
    }
    block.push_back(set(kR0, 1));
    block.push_back(leave());
    for (std::size_t i = 0; i < block.size(); ++i) {
      if (block[i].code == (BPF_JMP | BPF_JNE | BPF_K)) {
        block[i].offset = static_cast<std::int16_t>(block.size() - i - 1);
      }
    }
    program.insert(program.end(), block.begin(), block.end());
  }
  program.push_back(set(kR0, 0));
  program.push_back(leave());
  return program;
}

}  // namespace twinhull::linux_backend
