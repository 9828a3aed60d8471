#include "runtime/migrate/timing.h"

#include <fmt/format.h>

namespace twinhull::migrate {

std::vector<std::string> timing_lines(CtId id, const Timing& timing, bool online) {
  std::vector<std::string> lines{fmt::format("Timing of CT {}:", id.text())};
  const auto line = [&](std::string_view what, Duration length, std::string_view more = {}) {
    if (length > Duration{0})
      lines.push_back(fmt::format("\t{:<32}{:>6}.{:03} s{}", what, length / seconds(1),
                                  length % seconds(1) / milliseconds(1), more));
  };
  line("private area, while it ran", timing.first_copy);
  line("memory, while it ran", timing.rounds,
       fmt::format("  {} rounds, {} pages", timing.round_count, timing.precopied.value));
  // Images cross while they are written, unless memory is held back.
  const std::string_view dump = timing.images > Duration{0} ? "suspend and dump" : "suspend, dump and copy";
  line(online ? dump : "stop", timing.stop,
       online ? fmt::format("  {} pages", timing.left.value) : "");
  line("copy of the dump", timing.images);
  line("what had changed in the area", timing.last_copy);
  line(online ? "undump and resume" : "take over and start", timing.start);
  line("down in total", timing.down);
  line("memory that followed", timing.pages,
       fmt::format("  {} pages, {} waited for", timing.followed.value, timing.awaited.value));
  line("in total", timing.total, fmt::format("  {} bytes sent", timing.wire.value));
  return lines;
}

std::string_view to_string(MoveStage stage) {
  switch (stage) {
    case MoveStage::check: return "checks";
    case MoveStage::copy_template: return "template";
    case MoveStage::copy_area: return "files";
    case MoveStage::copy_memory: return "memory";
    case MoveStage::stop: return "last files";
    case MoveStage::start: return "start there";
    case MoveStage::pages: return "pages";
  }
  return "";
}

}  // namespace twinhull::migrate
