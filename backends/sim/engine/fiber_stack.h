// Stacks that fibers run on, switched with Boost.Context and announced to the sanitizers.
#pragma once

#include <boost/context/detail/fcontext.hpp>
#include <boost/context/stack_context.hpp>
#include <functional>
#include <memory>
#include <vector>

namespace twinhull::sim {

/// One stack with a worker loop on it: runs a body, then waits for the next. It is never unwound:
/// an idle stack owns nothing and is simply freed, so no forced-unwind exceptions are needed.
class FiberStack {
 public:
  FiberStack();
  ~FiberStack();
  FiberStack(const FiberStack&) = delete;
  FiberStack& operator=(const FiberStack&) = delete;

  /// Hands the idle stack a body; the next enter() begins to run it.
  void assign(std::move_only_function<void()> body) { body_ = std::move(body); }
  /// Scheduler side: runs the body until it leaves or ends. True when it has ended.
  bool enter();
  /// Body side: back to the scheduler, until the next enter().
  void leave();

 private:
  static void entry(boost::context::detail::transfer_t transfer) noexcept;
  void loop();
  void switch_to_scheduler(bool idle);

  boost::context::stack_context memory_;
  boost::context::detail::fcontext_t context_ = nullptr;    // where the body stands
  boost::context::detail::fcontext_t scheduler_ = nullptr;  // where the scheduler stands
  std::move_only_function<void()> body_;
  bool ended_ = false;
  // Sanitizer state; in other builds unused.
  [[maybe_unused]] const void* scheduler_bottom_ = nullptr;
  [[maybe_unused]] std::size_t scheduler_size_ = 0;
  [[maybe_unused]] void* fake_stack_ = nullptr;
  [[maybe_unused]] void* tsan_fiber_ = nullptr;
  [[maybe_unused]] void* tsan_scheduler_ = nullptr;
};

/// Keeps idle stacks for reuse: mapping one costs more than a short command.
class FiberPool {
 public:
  FiberStack* take();
  void give_back(FiberStack* stack);

 private:
  std::vector<std::unique_ptr<FiberStack>> all_;
  std::vector<FiberStack*> idle_;
};

}  // namespace twinhull::sim
