// What xfs does differently when a project is full.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "runtime/kernel/error.h"

namespace twinhull::linux_backend {

enum class ProjectRoom : std::uint8_t {
  unlimited,  ///< no xfs, no project or no limit: the quota refuses nothing
  full,       ///< the project's limit refuses the request
  free,       ///< there is room
};

/// Whether the xfs project of the directory of `path` has room for one entry more with `bytes`. Waits
/// until xfs has accounted for what was removed: it frees inodes in the background, and creates
/// nothing meanwhile in a project that looks full.
ProjectRoom project_room(const std::string& path, std::uint64_t bytes);

/// An error of a write that the quota refused, were the code no_space: the one that says so.
inline Error quota_refusal(Error error) {
  error.code = ErrorCode::quota_exceeded;
  error.detail = "the quota of its tree is used up";
  return error;
}

/// Runs `attempt`, which may be repeated, and tells a full project from a full disk: xfs says ENOSPC
/// to both, other file systems EDQUOT to the first (xfs_trans_dqresv in Linux).
template <typename Attempt>
auto within_project(const std::string& path, std::uint64_t bytes, Attempt&& attempt) {
  auto result = attempt();
  if (result || result.error().code != ErrorCode::no_space) return result;
  auto room = project_room(path, bytes);
  if (room == ProjectRoom::free) {
    result = attempt();
    if (result || result.error().code != ErrorCode::no_space) return result;
    room = project_room(path, bytes);
  }
  if (room != ProjectRoom::full) return result;
  result = quota_refusal(std::move(result).error());
  return result;
}

}  // namespace twinhull::linux_backend
