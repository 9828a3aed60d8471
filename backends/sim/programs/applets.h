// Tables of the small programs, by area. Each file defines its own.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backends/sim/programs/launch.h"

namespace twinhull::sim {

struct AppletEntry {
  std::string_view name;
  Applet run;
};

std::span<const AppletEntry> file_applets();    ///< applets_files.cc
std::span<const AppletEntry> copy_applets();    ///< applets_copy.cc
std::span<const AppletEntry> text_applets();    ///< applets_text.cc
std::span<const AppletEntry> system_applets();  ///< applets_system.cc
std::span<const AppletEntry> basic_applets();   ///< applets_basic.cc

/// A command line split into leading options ("-rf") and operands.
struct Words {
  explicit Words(const AppletCall& call);
  [[nodiscard]] bool has(char flag) const { return flags.find(flag) != std::string::npos; }
  std::string flags;
  std::vector<std::string> operands;
};
/// The last part of a path.
std::string base_of(std::string path);
/// Whether it is one, final links followed.
bool is_directory(const AppletCall& call, const std::string& path);

}  // namespace twinhull::sim
