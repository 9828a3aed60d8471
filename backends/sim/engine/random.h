// Random numbers in named streams split off one seed.
#pragma once

#include <cstdint>
#include <string_view>

namespace twinhull::sim {

/// Mixes one value into a running hash (splitmix64's finalizer): the same on every machine.
constexpr std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  std::uint64_t z = hash ^ (value + 0x9e3779b97f4a7c15U + (hash << 6U) + (hash >> 2U));
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31U);
}

/// Stable hash of text (XXH3).
std::uint64_t hash_text(std::string_view text);

/// splitmix64. Small enough to be one member of whoever draws; its state is saved with its owner.
class RandomStream {
 public:
  RandomStream() = default;
  explicit RandomStream(std::uint64_t seed) : state_(seed) {}
  /// Uniform over all 64-bit values.
  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15U;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31U);
  }
  /// Uniform in 0 … bound-1; 0 when bound is 0.
  std::uint64_t below(std::uint64_t bound) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>((static_cast<Wide>(next()) * bound) >> 64U);
  }
  template <typename Archive>
  void serialize(Archive& archive) {
    archive(state_);
  }

 private:
  std::uint64_t state_ = 0;
};

}  // namespace twinhull::sim
