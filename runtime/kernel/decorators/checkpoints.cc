#include "runtime/kernel/checkpoints.h"

#include "runtime/kernel/decorators/ports.h"

namespace twinhull::decorators {
namespace {

class ObservedCheckpoints final : public Checkpoints {
 public:
  ObservedCheckpoints(Checkpoints& inner, Hook& hook) : inner_(inner), hook_(hook) {}

  Result<Survey> survey(ProcessRef init, Duration watch) override {
    return hook_.call(
        "checkpoints.survey", std::to_string(init.pid), [&] { return inner_.survey(init, watch); },
        init, watch);
  }
  Result<DumpResult> pre_dump(ProcessRef init, const PreDumpSpec& spec) override {
    return hook_.call(
        "checkpoints.pre_dump", spec.images, [&] { return inner_.pre_dump(init, spec); }, init,
        spec);
  }
  Result<DumpResult> dump(ProcessRef init, const DumpSpec& spec) override {
    return hook_.call(
        "checkpoints.dump", spec.images, [&] { return inner_.dump(init, spec); }, init, spec);
  }
  Result<SentDump> dump_over(ProcessRef init, const DumpSpec& spec, Channel& channel,
                             const TransferOptions& how) override {
    return hook_.call(
        "checkpoints.dump_over", spec.images,
        [&] { return inner_.dump_over(init, spec, channel, how); }, init, spec, how);
  }
  Result<RestoreResult> restore(const RestoreSpec& spec) override {
    return hook_.call(
        "checkpoints.restore", spec.label, [&] { return inner_.restore(spec); }, spec);
  }
  Result<PagesMoved> give_pages(ProcessRef init, Channel& channel) override {
    return hook_.call(
        "checkpoints.give_pages", std::to_string(init.pid),
        [&] { return inner_.give_pages(init, channel); }, init);
  }
  Result<PagesMoved> take_pages(ProcessRef init, Channel& channel) override {
    return hook_.call(
        "checkpoints.take_pages", std::to_string(init.pid),
        [&] { return inner_.take_pages(init, channel); }, init);
  }
  Result<Effect> drop_pages(ProcessRef init) override {
    return hook_.call(
        "checkpoints.drop_pages", std::to_string(init.pid), [&] { return inner_.drop_pages(init); },
        init);
  }
  Result<bool> lacks_pages(ProcessRef init) override {
    return hook_.call(
        "checkpoints.lacks_pages", std::to_string(init.pid),
        [&] { return inner_.lacks_pages(init); }, init);
  }

 private:
  Checkpoints& inner_;
  Hook& hook_;
};

}  // namespace

std::unique_ptr<Checkpoints> wrap_checkpoints(Checkpoints& inner, Hook& hook) {
  return std::make_unique<ObservedCheckpoints>(inner, hook);
}

}  // namespace twinhull::decorators
