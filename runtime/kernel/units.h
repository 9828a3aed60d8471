// Values with units. No bare integer with a unit in its name crosses the seam.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace twinhull {

/// Length of time, signed, in nanoseconds.
using Duration = std::chrono::nanoseconds;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

/// Clock tag of a node's monotonic time (CLOCK_BOOTTIME): 0 = boot of the node.
struct MonotonicClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonotonicClock, Duration>;
  static constexpr bool is_steady = true;
};
using Instant = MonotonicClock::time_point;
/// Calendar time, nanoseconds since 1970-01-01 UTC.
using WallTime = std::chrono::sys_time<Duration>;

namespace detail {
/// An amount of one kind; amounts of different kinds do not mix.
template <typename Tag>
struct Amount {
  std::uint64_t value = 0;
  constexpr auto operator<=>(const Amount&) const = default;
  constexpr Amount operator+(Amount other) const { return {value + other.value}; }
  /// Saturates at zero: an amount is never negative.
  constexpr Amount operator-(Amount other) const {
    return {value > other.value ? value - other.value : 0};
  }
  constexpr Amount& operator+=(Amount other) { return *this = *this + other; }
  constexpr Amount& operator-=(Amount other) { return *this = *this - other; }
};
}  // namespace detail

using Bytes = detail::Amount<struct BytesTag>;
/// 4096-byte pages, the unit of PHYSPAGES and its kin (spec R4).
using Pages = detail::Amount<struct PagesTag>;
using Inodes = detail::Amount<struct InodesTag>;
using BitsPerSecond = detail::Amount<struct BitsPerSecondTag>;
using BytesPerSecond = detail::Amount<struct BytesPerSecondTag>;
/// Relative CPU weight of spec F4.3, 8…500000, default 1000.
using CpuUnits = detail::Amount<struct CpuUnitsTag>;

inline constexpr std::uint64_t kPageSize = 4096;
constexpr Bytes to_bytes(Pages pages) { return {pages.value * kPageSize}; }
/// Rounds up to whole pages.
constexpr Pages to_pages(Bytes bytes) { return {(bytes.value + kPageSize - 1) / kPageSize}; }

namespace literals {
constexpr Bytes operator""_KiB(unsigned long long n) { return {n << 10}; }
constexpr Bytes operator""_MiB(unsigned long long n) { return {n << 20}; }
constexpr Bytes operator""_GiB(unsigned long long n) { return {n << 30}; }
constexpr Bytes operator""_B(unsigned long long n) { return {n}; }
}  // namespace literals

/// A container's number: 101…2147483644 (spec F3.2). 0 is the node itself, 1…100 are reserved.
struct CtId {
  std::uint32_t value = 0;
  constexpr auto operator<=>(const CtId&) const = default;
  static constexpr std::uint32_t kFirstUsable = 101;
  static constexpr std::uint32_t kLastUsable = 2147483644;
  [[nodiscard]] std::string text() const { return std::to_string(value); }
};

/// An IPv4 or IPv6 address. IPv4 occupies the first four bytes.
struct IpAddress {
  enum class Family : std::uint8_t { v4, v6 };
  Family family = Family::v4;
  std::uint8_t bytes[16] = {};

  auto operator<=>(const IpAddress&) const = default;
  bool operator==(const IpAddress&) const = default;
  [[nodiscard]] unsigned bit_length() const { return family == Family::v4 ? 32 : 128; }
  /// "10.0.0.1" or the canonical text of RFC 5952.
  [[nodiscard]] std::string text() const;
  /// Accepts dotted decimal or RFC 4291 text; std::nullopt for anything else.
  static std::optional<IpAddress> parse(std::string_view text);
};

/// An address with a prefix length: an interface address or a route's destination.
struct IpPrefix {
  IpAddress address;
  std::uint8_t length = 32;  ///< 0…32 for IPv4, 0…128 for IPv6

  auto operator<=>(const IpPrefix&) const = default;
  bool operator==(const IpPrefix&) const = default;
  /// Whether `other` lies inside; false across families.
  [[nodiscard]] bool contains(const IpAddress& other) const;
  [[nodiscard]] std::string text() const;  ///< "10.0.0.0/24"
  /// "A/N", or "A" alone as a host prefix (/32, /128).
  static std::optional<IpPrefix> parse(std::string_view text);
  static IpPrefix host(const IpAddress& address);
};

/// Where a resource's limit is off.
inline constexpr std::uint64_t kUnlimited = ~std::uint64_t{0};

}  // namespace twinhull
