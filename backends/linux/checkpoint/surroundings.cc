#include "backends/linux/checkpoint/surroundings.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <sstream>

#include "backends/linux/cgroup/doors.h"
#include "backends/linux/cgroup/layout.h"
#include "backends/linux/cgroup/proc_stat.h"
#include "backends/linux/mount_table.h"
#include "backends/linux/process/identity.h"
#include "backends/linux/process/small_file.h"

namespace twinhull::linux_backend {
namespace {

constexpr std::string_view kMagic = "twinhull-images-1";
constexpr std::string_view kOfModules[] = {"lo",      "tunl0",    "gre0", "gretap0", "erspan0",
                                           "ip_vti0", "ip6_vti0", "sit0", "ip6tnl0", "ip6gre0"};

std::string comm_of(std::int32_t pid) {
  auto name = read_small_file(fmt::format("/proc/{}/comm", pid)).value_or("?\n");
  name.pop_back();
  return name;
}

Status refuse_outsiders_of(Cgroups& cgroups, const CgroupPath& group, ProcessRef init,
                           std::set<std::int32_t>& inside, std::string_view operation) {
  TH_ASSIGN(const auto members, cgroups.processes(group));
  for (const ProcessRef& member : members) {
    std::vector<std::int32_t> way;
    std::int32_t at = member.pid;
    while (at > 1 && !inside.contains(at)) {
      const auto stat = read_proc_stat(at);
      if (!stat) break;
      way.push_back(at);
      at = stat->parent;
    }
    if (inside.contains(at)) {
      inside.insert(way.begin(), way.end());
    } else if (is_live(member)) {
      return fail(ErrorCode::busy, operation,
                  fmt::format("process {} ({})", member.pid, comm_of(member.pid)),
                  "was started from outside of the container, and its caller waits for it")
          .with_hint("wait until that vzctl exec or enter has ended");
    }
  }
  TH_ASSIGN(const auto children, cgroups.children(group));
  for (const std::string& child : children)
    TH_TRY(refuse_outsiders_of(cgroups, {group.text + "/" + child}, init, inside, operation));
  return {};
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += " " + word;
  return text;
}

}  // namespace

std::vector<std::string> devices_in(std::string_view net_dev) {
  std::vector<std::string> names;
  std::istringstream lines{std::string(net_dev)};
  for (std::string line; std::getline(lines, line);) {
    const auto colon = line.find(':');
    if (colon == std::string::npos) continue;
    std::string name = line.substr(0, colon);
    name.erase(0, name.find_first_not_of(' '));
    if (std::ranges::find(kOfModules, name) == std::end(kOfModules)) names.push_back(name);
  }
  return names;
}

Result<std::vector<ExternalMount>> external_mounts(std::string_view mountinfo) {
  constexpr std::string_view kProc = "/proc/";
  TH_ASSIGN(const auto mounts, parse_mount_table(mountinfo, "checkpoints.dump"));
  std::vector<ExternalMount> found;
  for (const MountEntry& mount : mounts) {
    if (mount.type == "devtmpfs" && mount.root != "/")
      found.push_back({mount.target, "/dev" + mount.root});
    if (mount.type == "fuse.lxcfs" && mount.target.starts_with(kProc))
      found.push_back({mount.target, std::string(kView) + mount.target.substr(kProc.size())});
  }
  return found;
}

Status compare_devices(const std::vector<VethEnds>& devices,
                       const std::vector<std::string>& present, std::string_view operation) {
  for (const std::string& name : present)
    if (std::ranges::none_of(devices, [&](const VethEnds& ends) { return ends.inside == name; }))
      return fail(ErrorCode::invalid_argument, operation, name,
                  "the other end of this device of the container was not named");
  for (const VethEnds& ends : devices)
    if (std::ranges::find(present, ends.inside) == present.end())
      return fail(ErrorCode::invalid_argument, operation, ends.inside,
                  "the container has no such device");
  return {};
}

Result<GroupPlace> group_of_init(const NodeOptions& options, ProcessRef init,
                                 std::string_view operation) {
  const auto text = read_small_file(fmt::format("/proc/{}/cgroup", init.pid));
  if (!text || !is_live(init))
    return fail(ErrorCode::not_running, operation, fmt::format("process {}", init.pid),
                "the container is not running");
  TH_ASSIGN(const CgroupLayout layout, detect_cgroup_layout());
  const bool unified = !layout.unified.empty();
  const CgroupHierarchy* const freezer = layout.hierarchy_of("freezer");
  const std::string path = group_in(*text, unified ? "" : "freezer");
  // The mount may show a part of the hierarchy only.
  const std::string top = unified ? layout.unified_root : freezer != nullptr ? freezer->root : "/";
  const std::string prefix = (top == "/" ? "" : top) + "/" + options.cgroup_prefix + "/";
  if (!path.starts_with(prefix))
    return fail(ErrorCode::not_supported, operation, fmt::format("process {}", init.pid),
                "its control group " + path + " is not one of this node");
  GroupPlace place;
  // Init may have moved itself to a group of its own (systemd: init.scope): the container's is
  // above.
  place.group = {path.substr(prefix.size(), path.find('/', prefix.size()) - prefix.size())};
  const std::string mount = unified ? layout.unified : freezer != nullptr ? freezer->mount : "";
  place.freezer = mount + "/" + options.cgroup_prefix + "/" + place.group.text;
  place.alone_in_v2 = layout.kind == CgroupLayoutKind::v2;
  return place;
}

Status refuse_outsiders(Cgroups& cgroups, const CgroupPath& group, ProcessRef init,
                        std::string_view operation) {
  std::set<std::int32_t> inside = {init.pid};
  return refuse_outsiders_of(cgroups, group, init, inside, operation);
}

std::string notes_text(const ImageNotes& notes) {
  std::string text = fmt::format("{}\ngroup {}\ninit {}\ndevices{}\n", kMagic, notes.group,
                                 notes.init, joined(notes.devices));
  for (const ExternalMount& mount : notes.externals)
    text += fmt::format("external {} {}\n", mount.target, mount.source);
  if (!notes.lazy.empty()) text += fmt::format("lazy {}\n", notes.lazy);
  return text + nested_text(notes.groups) + "end\n";
}

Result<ImageNotes> parse_notes(std::string_view text, const std::string& path) {
  ImageNotes notes;
  std::istringstream lines{std::string(text)};
  std::string line, end;
  std::getline(lines, line);
  const bool ours = line == kMagic;
  while (std::getline(lines, line)) {
    if (parse_nested_line(line, notes.groups)) continue;
    std::istringstream words(line);
    std::string key;
    words >> key;
    if (key == "end") end = key;
    for (std::string word; words >> word;) {
      if (key == "group") notes.group = word;
      if (key == "lazy") notes.lazy = word;
      if (key == "init") std::from_chars(word.data(), word.data() + word.size(), notes.init);
      if (key == "devices") notes.devices.push_back(word);
      if (key != "external") continue;
      ExternalMount mount{word, {}};
      words >> mount.source;
      notes.externals.push_back(std::move(mount));
    }
  }
  if (ours && !end.empty()) return notes;
  return fail(ErrorCode::corrupt, "checkpoints.restore", path,
              "these are no images of this program");
}

}  // namespace twinhull::linux_backend
