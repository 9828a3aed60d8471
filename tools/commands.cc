#include "tools/commands.h"

namespace twinhull::tools {

CommandFunction find_command(std::string_view name) {
  if (name == "vzctl") return &vzctl;
  if (name == "vzlist") return &vzlist;
  if (name == "vzmigrate") return &vzmigrate;
  return nullptr;
}

}  // namespace twinhull::tools
