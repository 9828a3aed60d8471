// Tables of the small programs, by area. Each file defines its own.
#pragma once

#include <span>
#include <string_view>

#include "backends/sim/programs/launch.h"

namespace twinhull::sim {

struct AppletEntry {
  std::string_view name;
  Applet run;
};

std::span<const AppletEntry> file_applets();    ///< applets_files.cc
std::span<const AppletEntry> text_applets();    ///< applets_text.cc
std::span<const AppletEntry> system_applets();  ///< applets_system.cc
std::span<const AppletEntry> basic_applets();   ///< applets_basic.cc

}  // namespace twinhull::sim
