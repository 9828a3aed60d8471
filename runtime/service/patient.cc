#include "runtime/service/patient.h"

#include "runtime/container/locked.h"
#include "runtime/kernel/clock.h"

namespace twinhull::service {
namespace {

constexpr Duration kPause = std::chrono::seconds(1);

}  // namespace

Status with_patience(container::Context& context, CtId id, std::string_view status,
                     Duration patience, const std::function<Status(container::Context&)>& body) {
  Reporter quiet(context.session, context.node, "vz", Verbosity::quiet);
  quiet.about(id);
  container::Context inner{context.session, context.node, quiet, context.handlers};
  for (Duration waited{0};; waited += kPause) {
    bool began = false;
    Status done = container::with_lock(inner, id, status, [&]() -> Status {
      began = true;
      return body(inner);
    });
    if (done || began || done.error().code != ErrorCode::in_progress || waited >= patience)
      return done;
    TH_TRY(context.kernel().clock().sleep(kPause));
  }
}

Result<Fate> fate_with_patience(container::Context& context, CtId id, std::string_view status,
                                Duration patience,
                                const std::function<Result<Fate>(container::Context&)>& decide) {
  Fate fate;
  TH_TRY(with_patience(context, id, status, patience, [&](container::Context& inner) -> Status {
    TH_ASSIGN(fate, decide(inner));
    return {};
  }));
  return fate;
}

}  // namespace twinhull::service
