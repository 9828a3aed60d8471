// From bytes to steps of a scenario, and from steps to a scenario file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "scenarios/engine/scenario.h"

namespace twinhull::fuzz {

/// Choices out of the fuzzer's bytes; zero when they are used up.
class ByteSource {
 public:
  ByteSource(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  [[nodiscard]] bool empty() const { return at_ >= size_; }
  std::uint8_t byte() { return empty() ? std::uint8_t{0} : data_[at_++]; }
  /// 0 … choices-1.
  std::size_t pick(std::size_t choices) { return byte() % choices; }
  template <typename T, std::size_t N>
  const T& pick(const T (&items)[N]) {
    return items[pick(N)];
  }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
  std::size_t at_ = 0;
};

/// The next command, fault or pause.
scenario::Step next_step(ByteSource& source);
/// Gives a node its power back.
scenario::Step boot(const std::string& node);
/// Ends all faults: power, cable, disk, armed calls.
std::vector<scenario::Step> repairs();
/// What an operator does afterwards: touches every container on both nodes.
std::vector<scenario::Step> closing_commands();
/// The whole as a scenario file for vzscenario.
std::string as_yaml(const scenario::Scenario& scenario);

}  // namespace twinhull::fuzz
