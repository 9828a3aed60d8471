// btrfs qgroups by ioctl: what libbtrfsutil does not offer.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// Counters of one level-0 qgroup (the number of its subvolume).
struct Qgroup {
  std::uint64_t referenced = 0;                  ///< bytes
  std::optional<std::uint64_t> most_referenced;  ///< limit in bytes
};

/// One btrfs, by a descriptor of any of its directories, which must stay open.
/// `object` goes into errors.
class Qgroups {
 public:
  Qgroups(int fd, std::string_view operation, std::string object)
      : fd_(fd), operation_(operation), object_(std::move(object)) {}

  /// Whether counting is on.
  Result<bool> enabled();
  /// Turns counting on and waits until what exists is counted. Errors: not_supported, no_space.
  Status enable();
  /// Commits what was written, so that the counters are exact, and counts anew where the kernel
  /// says that they are not.
  Status settle();
  /// std::nullopt: there is no such qgroup.
  Result<std::optional<Qgroup>> read(std::uint64_t subvolume);
  /// std::nullopt lifts the limit.
  Status set_limit(std::uint64_t subvolume, std::optional<std::uint64_t> most_referenced);
  /// Makes the qgroup where it lacks (a subvolume older than the counting).
  Status create(std::uint64_t subvolume);
  /// Removes it. busy: its subvolume is not gone yet.
  Status remove(std::uint64_t subvolume);
  /// Numbers of all level-0 qgroups.
  Result<std::set<std::uint64_t>> list();
  /// Numbers of all subvolumes, those that are being removed included.
  Result<std::set<std::uint64_t>> subvolumes();

 private:
  /// Calls take(object, offset, bytes) for the items of one type in a range of keys.
  template <typename Function>
  Status search(std::uint64_t tree, std::uint64_t first_object, std::uint64_t last_object,
                std::uint32_t type, std::uint64_t first_offset, std::uint64_t last_offset,
                Function take);
  [[nodiscard]] Error error(int number, std::string_view detail) const;

  const int fd_;
  const std::string_view operation_;
  const std::string object_;
};

}  // namespace twinhull::linux_backend
