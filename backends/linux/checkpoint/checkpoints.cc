#include "backends/linux/checkpoint/checkpoints.h"

namespace twinhull::linux_backend {
namespace {

Error missing(const char* operation, const std::string& object) {
  return fail(ErrorCode::not_supported, operation, object,
              "this backend has no checkpoints in this release");
}

class NoCheckpoints final : public Checkpoints {
 public:
  Result<DumpResult> pre_dump(ProcessRef, const PreDumpSpec& spec) override {
    return missing("checkpoints.pre_dump", spec.images);
  }
  Result<DumpResult> dump(ProcessRef, const DumpSpec& spec) override {
    return missing("checkpoints.dump", spec.images);
  }
  Result<RestoreResult> restore(const RestoreSpec& spec) override {
    return missing("checkpoints.restore", spec.label);
  }
};

}  // namespace

std::unique_ptr<Checkpoints> make_checkpoints(const NodeOptions&, Processes&) {
  return std::make_unique<NoCheckpoints>();
}

Support checkpoint_support(const NodeOptions&, Feature) {
  return {false, "this backend has no checkpoints in this release"};
}

}  // namespace twinhull::linux_backend
