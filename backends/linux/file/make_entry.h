// Makes the entries of a copied or received tree.
#pragma once

#include <string>
#include <string_view>

#include "backends/linux/file/attributes.h"
#include "backends/linux/file/entry.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// Makes a symbolic link, device, fifo or socket `name` in `directory`; the mode is set by
/// apply_details. `target` is that of a link. Errors: exists, those of symlinkat(2) and mknodat(2).
Status make_node(int directory, const std::string& name, const EntryFacts& facts,
                 const std::string& target, std::string_view operation, const std::string& object);

/// Sets owner, mode, attributes and times of a name as `facts` has them, in the order in which none
/// undoes another: chown(2) clears the set-id bits and security.capability.
Status apply_details(int directory, const std::string& name, const EntryFacts& facts,
                     const Attributes& attributes, std::string_view operation,
                     const std::string& object);

}  // namespace twinhull::linux_backend
