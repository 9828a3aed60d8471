// What the operator asked vzmigrate for (spec F3.13).
#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "runtime/kernel/channels.h"
#include "runtime/kernel/result.h"
#include "runtime/kernel/units.h"
#include "runtime/migrate/source.h"

namespace twinhull::tools::move {

/// SRC[:DST[:PRIVATE[:ROOT]]]
struct Entry {
  std::string source;           ///< number or name
  std::string destination;      ///< number; empty = the source's
  std::string private_pattern;  ///< empty = the destination's default
  std::string root_pattern;
};

struct Options {
  std::optional<bool> remove;  ///< -r yes|no
  bool no_start = false;       ///< -s
  bool keep_destination = false;
  bool dry_run = false;
  bool verdict = false;                    ///< --check
  bool json = false;                       ///< -j
  bool batch = false;                      ///< -b
  std::uint32_t parallel = 1;              ///< --parallel: so many containers at once
  bool report = false;                     ///< for the vzmigrate that started this one
  std::optional<CtId> keeper;              ///< --keeper
  bool force = false;                      ///< -f: then it is not started at the destination
  std::set<migrate::MigrateExit> skipped;  ///< the checks that -f lets fail
  bool verbose = false;
  Duration timeout = seconds(600);
  std::optional<migrate::OnlineWish> online;
  std::optional<BytesPerSecond> rate;
  bool compress = false;
  bool times = false;
  std::string name;  ///< --new-name
  PeerAddress peer;
  std::vector<Entry> containers;
  std::string help;  ///< not empty: show this and end well
};

/// Errors: invalid_argument (exit 1), not_supported (exit 57) for modes that no node has.
Result<Options> parse_options(std::span<const std::string> argv);

}  // namespace twinhull::tools::move
