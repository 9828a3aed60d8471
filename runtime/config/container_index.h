// Which containers a node has, and by which names (spec R1, F3.11).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/config/layout.h"
#include "runtime/kernel/kernel.h"
#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"

namespace twinhull {

/// Numbers of all containers with a configuration file, ascending. A missing directory is an
/// empty node.
Result<std::vector<CtId>> list_containers(Kernel& kernel, const Layout& layout);

/// A container's number from decimal text. Errors: invalid_argument (exit 20) for anything
/// but 101…2147483644; reserved numbers are named as such.
Result<CtId> parse_ctid(std::string_view text);

/// Whether `name` may be a container's name: 1…255 bytes, letters, digits, space, '-', '_', '.'
/// and UTF-8 beyond ASCII; not digits alone, not "." or "..", no space at either end.
/// Errors: invalid_argument (exit 137).
Status check_name(std::string_view name);

/// A container by number or name. A number need not exist. Errors: invalid_argument (exit 20,
/// bad number), not_found (exit 14, no such name; a dangling or foreign link counts as none).
Result<CtId> resolve_container(Kernel& kernel, const Layout& layout, std::string_view text);

/// The container that has the name; std::nullopt when it is free. A link to a container without
/// configuration is stale: the name is free.
Result<std::optional<CtId>> find_name(Kernel& kernel, const Layout& layout,
                                      const std::string& name);

/// All valid names, by name.
Result<std::map<std::string, CtId>> list_names(Kernel& kernel, const Layout& layout);

/// Where set_name makes a link before it replaces another. One that is left there is nobody's.
std::string unfinished_name(const Layout& layout, CtId id);

/// Makes `name` the only name of `id`, durable; an empty name removes it. The NAME key of CTID.conf
/// is the caller's. Errors: exists (exit 137: the name belongs to another container), those of
/// check_name and Files.
Status set_name(Kernel& kernel, const Layout& layout, CtId id, const std::string& name);

}  // namespace twinhull
