#include "backends/linux/link/links.h"

namespace twinhull::linux_backend {

Result<std::unique_ptr<Links>> make_links(const NodeOptions&, Processes&) {
  return fail(ErrorCode::not_supported, "kernel.open", "links", "not built yet");
}

Support link_support(Feature) { return {false, "not built yet"}; }

}  // namespace twinhull::linux_backend
