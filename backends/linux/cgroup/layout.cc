#include "backends/linux/cgroup/layout.h"

#include <algorithm>
#include <optional>

#include "backends/linux/cgroup/tree.h"
#include "backends/linux/errno_error.h"

namespace twinhull::linux_backend {
namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const auto at = text.find(separator);
    if (at != 0) parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) break;
    text.remove_prefix(at + 1);
  }
  return parts;
}

/// mountinfo writes blanks and backslashes as three octal digits.
std::string unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && text[i + 1] >= '0' && text[i + 1] <= '3') {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                 (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

struct MountLine {
  std::string root, target, type;
  std::vector<std::string_view> super_options;
};

std::optional<MountLine> parse_line(std::string_view line) {
  const auto dash = line.find(" - ");
  if (dash == std::string_view::npos) return std::nullopt;
  const auto head = split(line.substr(0, dash), ' ');
  const auto tail = split(line.substr(dash + 3), ' ');
  if (head.size() < 6 || tail.size() < 3) return std::nullopt;
  return MountLine{.root = unescape(head[3]),
                   .target = unescape(head[4]),
                   .type = std::string(tail[0]),
                   .super_options = split(tail[2], ',')};
}

/// Names in the first column of /proc/cgroups.
std::vector<std::string> known_controllers(std::string_view proc_cgroups) {
  std::vector<std::string> names;
  for (const auto line : split(proc_cgroups, '\n')) {
    if (line.front() == '#') continue;
    names.emplace_back(line.substr(0, line.find('\t')));
  }
  return names;
}

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

}  // namespace

std::string CgroupHierarchy::options() const {
  std::string text;
  for (const auto& controller : controllers) {
    if (!text.empty()) text += ',';
    text += controller;
  }
  return text;
}

bool CgroupHierarchy::named() const { return controllers.front().starts_with("name="); }

const CgroupHierarchy* CgroupLayout::hierarchy_of(std::string_view controller) const {
  for (const auto& hierarchy : hierarchies) {
    if (contains(hierarchy.controllers, controller)) return &hierarchy;
  }
  return nullptr;
}

bool CgroupLayout::unified_has(std::string_view controller) const {
  return contains(unified_controllers, controller);
}

std::string unified_mount(std::string_view mountinfo) {
  for (const auto text : split(mountinfo, '\n')) {
    if (const auto line = parse_line(text); line && line->type == "cgroup2") return line->target;
  }
  return {};
}

Result<CgroupLayout> parse_cgroup_layout(std::string_view mountinfo, std::string_view proc_cgroups,
                                         std::string_view unified_controllers) {
  const auto known = known_controllers(proc_cgroups);
  CgroupLayout layout;
  bool any_v1_controller = false;
  for (const auto text : split(mountinfo, '\n')) {
    const auto line = parse_line(text);
    if (!line) continue;
    if (line->type == "cgroup2" && layout.unified.empty()) {
      layout.unified = line->target;
      layout.unified_root = line->root;
      layout.delegates = std::ranges::find(line->super_options, "nsdelegate") !=
                         line->super_options.end();
      for (const auto option : line->super_options)
        if (option != "rw" && option != "ro") layout.unified_options.emplace_back(option);
    }
    if (line->type != "cgroup") continue;
    CgroupHierarchy hierarchy{.mount = line->target, .root = line->root, .controllers = {}};
    for (const auto option : line->super_options) {
      if (option.starts_with("name=") || contains(known, option)) {
        hierarchy.controllers.emplace_back(option);
      }
    }
    if (hierarchy.controllers.empty() ||
        layout.hierarchy_of(hierarchy.controllers.front()) != nullptr) {
      continue;
    }
    any_v1_controller = any_v1_controller || !hierarchy.named();
    layout.hierarchies.push_back(std::move(hierarchy));
  }
  for (const auto controller : split(unified_controllers, ' ')) {
    const auto name = controller.substr(0, controller.find('\n'));
    if (!name.empty()) layout.unified_controllers.emplace_back(name);
  }
  if (any_v1_controller) {
    layout.kind = layout.unified.empty() ? CgroupLayoutKind::v1 : CgroupLayoutKind::hybrid;
    return layout;
  }
  if (layout.unified.empty() || layout.unified_controllers.empty()) {
    return fail(ErrorCode::not_supported, "kernel.open", "cgroups",
                "no control group hierarchy with a controller is mounted")
        .with_hint("mount cgroup2 at /sys/fs/cgroup, or the v1 controllers below it");
  }
  layout.kind = CgroupLayoutKind::v2;
  layout.hierarchies.clear();  // a lone name= hierarchy limits nothing
  return layout;
}

Result<CgroupLayout> detect_cgroup_layout() {
  const auto tree = make_posix_tree();
  const auto mountinfo = tree->read("/proc/self/mountinfo");
  if (!mountinfo) return system_error("kernel.open", "/proc/self/mountinfo", mountinfo.error());
  const auto known = tree->read("/proc/cgroups");
  std::string controllers;
  if (const auto mount = unified_mount(*mountinfo); !mount.empty()) {
    const auto text = tree->read(mount + "/cgroup.controllers");
    if (!text) return system_error("kernel.open", mount + "/cgroup.controllers", text.error());
    controllers = *text;
  }
  // A kernel without any v1 support may lack /proc/cgroups.
  return parse_cgroup_layout(*mountinfo, known.value_or(std::string()), controllers);
}

}  // namespace twinhull::linux_backend
