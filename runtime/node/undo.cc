#include "runtime/node/undo.h"

#include <algorithm>
#include <memory>

namespace twinhull {

void UndoList::add(When when, Step step) {
  std::string what = std::string(to_string(step.kind)) + " " + step.object;
  add(when, std::move(what),
      [&kernel = kernel_, step = std::move(step)] { return perform(kernel, step); });
}

void UndoList::add(When when, std::string what, std::function<Status()> act) {
  entries_.push_back({when, std::move(what), std::move(act)});
}

void UndoList::commit() {
  std::erase_if(entries_, [](const Entry& entry) { return entry.when == When::on_failure; });
}

Status UndoList::close(Status result) {
  while (!entries_.empty()) {
    Entry entry = std::move(entries_.back());
    entries_.pop_back();
    if (result && entry.when == When::on_failure) continue;
    if (!result && result.error().code == ErrorCode::node_down) {
      clean_ = false;
      continue;
    }
    Status undone = entry.act();
    if (undone) continue;
    clean_ = false;
    if (result || undone.error().code == ErrorCode::node_down) {
      result = std::move(undone);
    } else {
      result.error().detail += (result.error().detail.empty() ? "" : "; ") +
                               ("also failed: " + entry.what + ": ") + undone.error().message();
    }
  }
  return result;
}

}  // namespace twinhull
