#include "bench/fidelity/setting.h"

#include "runtime/kernel/clock.h"

namespace twinhull::fidelity {

Status Setting::add(const std::string& path) {
  TH_TRY(groups().create({path}));
  made_.push_back(path);
  return {};
}

Result<ProcessRef> Setting::run(const std::string& label, const std::string& group,
                                std::vector<std::string> argv) {
  SpawnSpec spec;
  spec.label = label;
  spec.root = bed_.root;
  spec.argv = std::move(argv);
  spec.environment = {{"PATH", "/usr/bin:/bin"}};
  spec.hostname = label;
  spec.cgroup = {group};
  TH_ASSIGN(const ProcessRef init, bed_.kernel.processes().spawn(spec));
  started_.push_back(init);
  return init;
}

Result<ProcessRef> Setting::spawn(const std::string& label, const std::string& group,
                                  const std::vector<std::string>& arguments) {
  std::vector<std::string> argv{"/usr/bin/vzload"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return run(label, group, std::move(argv));
}

Status Setting::clear() {
  if (made_.empty()) return {};
  TH_TRY(groups().kill_all({made_.front()}));
  for (const ProcessRef& process : started_)
    TH_TRY(bed_.kernel.processes().wait_gone(process, seconds(20)));
  started_.clear();
  while (!made_.empty()) {
    Result<Effect> removed = groups().remove({made_.back()});
    // A dead process leaves its group a moment after it is gone.
    for (int tries = 0; tries < 100 && !removed && removed.error().code == ErrorCode::busy; ++tries) {
      TH_TRY(bed_.kernel.clock().sleep(milliseconds(20)));
      removed = groups().remove({made_.back()});
    }
    if (!removed) return std::move(removed).error();
    made_.pop_back();
  }
  return {};
}

}  // namespace twinhull::fidelity
