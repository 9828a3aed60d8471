#include "backends/linux/checkpoint/dump_author.h"

#include <utility>

namespace twinhull::linux_backend {

Result<bool> DumpAuthor::go_on(Duration at_most) {
  if (failure_) return *failure_;
  if (result_) return true;
  if (!tool_) {
    auto started = start_();
    if (!started) {
      failure_ = std::move(started).error();
      return *failure_;
    }
    tool_.emplace(std::move(*started));
  }
  if (!tool_->has_ended(at_most)) return false;
  conclude();
  if (failure_) return *failure_;
  return true;
}

bool DumpAuthor::only_grows(const std::string& name) const {
  return name.starts_with("pages-") && name.ends_with(".img");
}

void DumpAuthor::end() {
  if (tool_) conclude();
}

void DumpAuthor::conclude() {
  if (failure_ || result_) return;
  const auto outcome = tool_->finish();
  auto result = outcome ? finish_(*outcome) : Result<DumpResult>(outcome.error());
  if (result)
    result_ = *result;
  else
    failure_ = std::move(result).error();
}

}  // namespace twinhull::linux_backend
