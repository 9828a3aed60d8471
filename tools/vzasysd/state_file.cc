#include "tools/vzasysd/state_file.h"

#include "runtime/config/atomic_write.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"

namespace twinhull::tools::asys {

std::string state_directory(const Layout& layout) {
  return layout.root + "/var/lib/vz";
}

std::string state_file(const Layout& layout) {
  return state_directory(layout) + "/burst";
}

Result<resource::BurstState> load_state(Kernel& kernel, const Layout& layout) {
  resource::BurstState fresh;
  TH_ASSIGN(fresh.boot, kernel.host().boot_id());
  const auto text = kernel.files().read(state_file(layout));
  if (!text) {
    if (text.error().code == ErrorCode::not_found) return fresh;
    return text.error();
  }
  auto state = resource::parse_burst_state(*text);
  if (!state || state->boot != fresh.boot) return fresh;
  return std::move(*state);
}

Status save_state(Kernel& kernel, const Layout& layout, const resource::BurstState& state) {
  TH_TRY(make_directories(kernel.files(), state_directory(layout)));
  return write_atomically(kernel.files(), state_file(layout), resource::burst_state_text(state));
}

}  // namespace twinhull::tools::asys
