// Independent tasks on several threads.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <thread>
#include <vector>

namespace twinhull::tools {

/// Calls `task` for 0 … count-1 from `jobs` threads, in order of start.
inline void in_parallel(unsigned jobs, std::size_t count,
                        const std::function<void(std::size_t)>& task) {
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < count; i = next++) task(i);
  };
  std::vector<std::jthread> threads;
  for (unsigned i = 1; i < jobs && i < count; ++i) threads.emplace_back(work);
  work();
}

}  // namespace twinhull::tools
