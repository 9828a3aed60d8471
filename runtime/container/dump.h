// Where the suspended state of a container lies, and what lies beside its images.
#pragma once

#include <string>

#include "runtime/container/context.h"

namespace twinhull::container {

/// DUMPDIR/Dump.CTID holds `images`, a directory of the Checkpoints port, and `container`,
/// KEY=value lines about the container that they are of. It exists whole or not at all: it is built
/// as Dump.CTID.new, and set aside as Dump.CTID.done at the moment from which on it must not be
/// used.
std::string dump_path(const NodeConfig& node, CtId id);
std::string dump_images(const std::string& dump);
inline std::string unfinished_dump(const std::string& dump) {
  return dump + ".new";
}
inline std::string spent_dump(const std::string& dump) {
  return dump + ".done";
}

/// What `container` says.
struct DumpFacts {
  CtId id;
  bool has_network = false;  ///< the images hold the venet device
  std::string live;          ///< settings that hold until the container stops, as in live_file()
  /// Host::boot_id of the only boot in which the images can be trusted: they were not written
  /// durably (DumpSpec::durable). Empty: they were.
  std::string boot;
  /// Memory was held back (DumpSpec::lazy): it follows once the processes have gone on.
  bool lazy = false;
};

/// Writes the facts, durable. Errors: those of Files.
Status write_dump_facts(Kernel& kernel, const std::string& dump, const DumpFacts& facts);
/// Errors: not_found (no such dump), corrupt (also: of another boot than `boot`); both exit 17.
Result<DumpFacts> read_dump_facts(Kernel& kernel, const std::string& dump);

/// Makes an empty Dump.CTID.new with its `images`, and the directory around it. What is left there
/// of an earlier attempt is removed.
Status begin_dump(Kernel& kernel, const std::string& dump);
/// The dump is whole: gives it its name, durably.
Status finish_dump(Kernel& kernel, const std::string& dump);
/// From now on the dump is not used any more, durably. Effect::none when there is none.
Result<Effect> spend_dump(Kernel& kernel, const std::string& dump);
/// Removes what spend_dump set aside.
Status remove_spent_dump(Kernel& kernel, const std::string& dump);
/// Both: the container goes on without it.
Result<Effect> discard_dump(Kernel& kernel, const std::string& dump);

}  // namespace twinhull::container
