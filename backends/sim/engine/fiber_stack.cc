#include "backends/sim/engine/fiber_stack.h"

#include <boost/context/protected_fixedsize_stack.hpp>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#define TH_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define TH_TSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TH_ASAN 1
#elif __has_feature(thread_sanitizer)
#define TH_TSAN 1
#endif
#endif

#ifdef TH_ASAN
#include <sanitizer/common_interface_defs.h>
#define TH_NO_SANITIZE __attribute__((no_sanitize("address"), noinline))
#elif defined(TH_TSAN)
#include <sanitizer/tsan_interface.h>
#define TH_NO_SANITIZE __attribute__((no_sanitize("thread"), noinline))
#else
#define TH_NO_SANITIZE __attribute__((noinline))
#endif

namespace twinhull::sim {
namespace {

namespace context = boost::context::detail;

// Address space only: pages are touched on use. Instrumented frames are several times larger.
#if defined(TH_ASAN) || defined(TH_TSAN)
constexpr std::size_t kStackSize = std::size_t{4} << 20U;
#else
constexpr std::size_t kStackSize = std::size_t{1} << 20U;
#endif

}  // namespace

FiberStack::FiberStack() {
  boost::context::protected_fixedsize_stack allocator(kStackSize);
  memory_ = allocator.allocate();
  context_ = context::make_fcontext(memory_.sp, memory_.size, &FiberStack::entry);
#ifdef TH_TSAN
  tsan_fiber_ = __tsan_create_fiber(0);
#endif
}

FiberStack::~FiberStack() {
#ifdef TH_TSAN
  __tsan_destroy_fiber(tsan_fiber_);
#endif
  boost::context::protected_fixedsize_stack allocator(kStackSize);
  allocator.deallocate(memory_);
}

TH_NO_SANITIZE bool FiberStack::enter() {
  ended_ = false;
#ifdef TH_ASAN
  void* own_fake_stack = nullptr;
  const auto* top = static_cast<const char*>(memory_.sp);
  __sanitizer_start_switch_fiber(&own_fake_stack, top - memory_.size, memory_.size);
#elif defined(TH_TSAN)
  tsan_scheduler_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(tsan_fiber_, 0);
#endif
  context_ = context::jump_fcontext(context_, this).fctx;
#ifdef TH_ASAN
  __sanitizer_finish_switch_fiber(own_fake_stack, nullptr, nullptr);
#endif
  return ended_;
}

TH_NO_SANITIZE void FiberStack::switch_to_scheduler([[maybe_unused]] bool idle) {
#ifdef TH_ASAN
  // An idle stack holds no frame that matters: its fake stack is given up.
  __sanitizer_start_switch_fiber(idle ? nullptr : &fake_stack_, scheduler_bottom_, scheduler_size_);
#elif defined(TH_TSAN)
  __tsan_switch_to_fiber(tsan_scheduler_, 0);
#endif
  scheduler_ = context::jump_fcontext(scheduler_, nullptr).fctx;
#ifdef TH_ASAN
  __sanitizer_finish_switch_fiber(idle ? nullptr : fake_stack_, &scheduler_bottom_,
                                  &scheduler_size_);
#endif
}

void FiberStack::leave() {
  switch_to_scheduler(false);
}

TH_NO_SANITIZE void FiberStack::entry(context::transfer_t transfer) noexcept {
  auto* self = static_cast<FiberStack*>(transfer.data);
  self->scheduler_ = transfer.fctx;
#ifdef TH_ASAN
  __sanitizer_finish_switch_fiber(nullptr, &self->scheduler_bottom_, &self->scheduler_size_);
#endif
  self->loop();
}

TH_NO_SANITIZE void FiberStack::loop() {
  for (;;) {
    body_();
    body_ = nullptr;
    ended_ = true;
    switch_to_scheduler(true);
  }
}

FiberStack* FiberPool::take() {
  if (idle_.empty()) {
    all_.push_back(std::make_unique<FiberStack>());
    return all_.back().get();
  }
  FiberStack* stack = idle_.back();
  idle_.pop_back();
  return stack;
}

void FiberPool::give_back(FiberStack* stack) {
  idle_.push_back(stack);
}

}  // namespace twinhull::sim
