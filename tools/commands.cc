#include "tools/commands.h"

namespace twinhull::tools {

CommandFunction find_command(std::string_view name) {
  if (name == "vzctl") return &vzctl;
  if (name == "vzlist") return &vzlist;
  if (name == "vzmigrate") return &vzmigrate;
  if (name == "vzmlocal") return &vzmlocal;
  if (name == "vzmtemplate") return &vzmtemplate;
  if (name == "vzmpipe") return &vzmpipe;
  if (name == "vzmsetkey") return &vzmsetkey;
  if (name == "vzsplit") return &vzsplit;
  if (name == "vzcfgscale") return &vzcfgscale;
  if (name == "vzcfgvalidate") return &vzcfgvalidate;
  if (name == "vzcfgconvert") return &vzcfgconvert;
  if (name == "vzcpucheck") return &vzcpucheck;
  if (name == "vzmemcheck") return &vzmemcheck;
  if (name == "vzcalc") return &vzcalc;
  if (name == "vzcheckovr") return &vzcheckovr;
  if (name == "vzdiskcheck") return &vzdiskcheck;
  if (name == "vzubc") return &vzubc;
  if (name == "vzasysd") return &vzasysd;
  if (name == "vzstat") return &vzstat;
  if (name == "vzhwcalc") return &vzhwcalc;
  if (name == "vzp2v") return &vzp2v;
  if (name == "vz") return &vz;
  return nullptr;
}

}  // namespace twinhull::tools
