#include "tools/common/fiber_companions.h"

namespace twinhull::tools {

Result<std::size_t> FiberCompanions::start(const std::vector<std::string>& argv) {
  std::string line;
  for (const std::string& word : argv) line += (line.empty() ? "" : " ") + word;
  Started started;
  started.one = std::make_shared<One>(argv, body_, CapturedConsole());
  TH_ASSIGN(started.id, world_.start(node_, line, [one = started.one](Kernel& kernel) {
    return one->body(kernel, one->console, one->argv);
  }));
  started_.push_back(std::move(started));
  return started_.size() - 1;
}

Companions::News FiberCompanions::look(std::size_t companion) {
  Started& started = started_[companion];
  const CapturedConsole& console = started.one->console;
  News news{.out = console.out_text.substr(started.out),
            .error = console.error_text.substr(started.error),
            .exit_code = world_.result(started.id),
            .sent = std::nullopt};
  started.out = console.out_text.size();
  started.error = console.error_text.size();
  return news;
}

void FiberCompanions::interrupt(std::size_t companion) {
  // One that has ended cannot be interrupted, and need not be.
  static_cast<void>(world_.interrupt(started_[companion].id));
}

}  // namespace twinhull::tools
