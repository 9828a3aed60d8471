// A set of CPUs as bits.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstdint>

namespace twinhull::sim {

inline constexpr std::uint32_t kMostCpus = 1024;

/// CPUs 0…1023.
class CpuMask {
 public:
  static CpuMask first(std::uint32_t count) {
    CpuMask mask;
    for (std::uint32_t cpu = 0; cpu < count; ++cpu) mask.add(cpu);
    return mask;
  }
  void add(std::uint32_t cpu) { words_[cpu / 64] |= std::uint64_t{1} << (cpu % 64); }
  [[nodiscard]] bool has(std::uint32_t cpu) const {
    return (words_[cpu / 64] >> (cpu % 64) & 1U) != 0;
  }
  [[nodiscard]] std::uint32_t count() const {
    std::uint32_t total = 0;
    for (std::uint64_t word : words_) total += static_cast<std::uint32_t>(std::popcount(word));
    return total;
  }
  [[nodiscard]] bool empty() const { return count() == 0; }
  [[nodiscard]] bool inside(const CpuMask& other) const {
    for (std::size_t i = 0; i < words_.size(); ++i) {
      if ((words_[i] & ~other.words_[i]) != 0) return false;
    }
    return true;
  }
  CpuMask& operator&=(const CpuMask& other) {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] &= other.words_[i];
    return *this;
  }
  CpuMask& operator|=(const CpuMask& other) {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
    return *this;
  }
  auto operator<=>(const CpuMask&) const = default;
  bool operator==(const CpuMask&) const = default;
  template <typename Archive>
  void serialize(Archive& archive) {
    for (std::uint64_t& word : words_) archive(word);
  }

 private:
  std::array<std::uint64_t, kMostCpus / 64> words_{};
};

}  // namespace twinhull::sim
