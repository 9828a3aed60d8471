// User beancounters as they act, stated or derived (spec R10).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/config/beancounters.h"
#include "runtime/config/ct_settings.h"

namespace twinhull::resource {

/// What a beancounter ("kmemsize", "physpages", "avnumproc") of these settings comes to, in its own
/// unit: what is stated; else, under VSwap, what follows from RAM and swap: lockedpages and
/// oomguarpages have RAM as barrier, vmguarpages RAM + swap, privvmpages (RAM + swap) ×
/// VM_OVERCOMMIT; avnumproc is half of numproc; else unlimited.
BarrierLimit effective_beancounter(const CtSettings& settings, std::string_view name);

/// Whether barrier and limit of this beancounter are one number (spec R10, "bar=lim").
bool has_one_value(std::string_view name);

/// Names of settings (beancounters, vm_overcommit, I/O limits) that are kept and shown, but that no
/// mechanism of today's kernels enforces here.
std::vector<std::string> unenforced_settings(const CtSettings& settings);

/// "N" where both are one number that has one value, else "BAR:LIM".
std::string beancounter_text(std::string_view name, const BarrierLimit& value);

}  // namespace twinhull::resource
