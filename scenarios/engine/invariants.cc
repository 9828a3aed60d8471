#include "scenarios/engine/invariants.h"

#include <algorithm>

#include "runtime/config/node_config.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/links.h"
#include "runtime/kernel/mounts.h"
#include "runtime/kernel/processes.h"
#include "runtime/node/journal.h"

namespace twinhull::scenario {
namespace {

/// What the next command on its container takes over.
const std::string kLockFile = "lock file ";

std::optional<CtId> number_of(std::string_view text) {
  const auto value = parse_integer(text);
  if (!value || *value < CtId::kFirstUsable || *value > CtId::kLastUsable) return std::nullopt;
  const CtId id{static_cast<std::uint32_t>(*value)};
  return id.text() == text ? std::optional(id) : std::nullopt;
}

/// "101" of "101.conf" when the name ends so.
std::optional<CtId> number_before(std::string_view name, std::string_view suffix) {
  if (!name.ends_with(suffix)) return std::nullopt;
  return number_of(name.substr(0, name.size() - suffix.size()));
}

/// The place that a configuration names; empty when it names none.
std::string place_in(const std::string& config, const std::string& key, CtId id) {
  const std::string start = key + "=\"";
  const std::size_t at = config.find(start);
  if (at == std::string::npos || (at != 0 && config[at - 1] != '\n')) return {};
  const std::size_t from = at + start.size();
  return substitute_veid(config.substr(from, config.find('"', from) - from), id);
}

Result<std::string> place_of(Kernel& kernel, const Layout& layout, CtId id, const std::string& key,
                             const std::string& otherwise) {
  const auto config = kernel.files().read(layout.container_config(id));
  if (!config && config.error().code != ErrorCode::not_found) return config.error();
  const std::string place = config ? place_in(*config, key, id) : "";
  return place.empty() ? otherwise : place;
}

/// Groups of reserved numbers are the node's own: what its tools run in (CT 0, VZ_TOOLS_BCID). They
/// stay until the next boot.
bool of_the_node(std::string_view group) {
  const auto value = parse_integer(group);
  return value && *value >= 0 && *value < CtId::kFirstUsable && std::to_string(*value) == group;
}

/// Collects what one node holds.
class Looker {
 public:
  Looker(Kernel& kernel, const Layout& layout) : kernel_(kernel), layout_(layout) {}

  Result<NodeTrace> look() {
    TH_TRY(configurations());
    TH_TRY(names());
    TH_TRY(areas());
    TH_TRY(locks());
    TH_TRY(dumps());
    TH_TRY(up_marks());
    TH_TRY(receipts());
    TH_TRY(kernel_objects());
    return std::move(trace_);
  }

 private:
  Result<std::vector<DirectoryEntry>> entries(const std::string& path) {
    TH_ASSIGN(const auto info, kernel_.files().stat(path));
    if (!info) return std::vector<DirectoryEntry>{};
    return kernel_.files().list(path);
  }
  void stranger(const std::string& what) { trace_.strangers.push_back(what); }

  Status configurations() {
    const std::string directory = layout_.config_directory();
    TH_ASSIGN(const auto list, entries(directory));
    for (const DirectoryEntry& entry : list) {
      if (const auto id = number_before(entry.name, ".conf")) {
        trace_.containers[*id].config = true;
        TH_ASSIGN(trace_.configs[*id], kernel_.files().read(directory + "/" + entry.name));
        const std::string area = place_in(trace_.configs[*id], "VE_PRIVATE", *id);
        if (area.empty()) continue;
        TH_ASSIGN(const auto there, kernel_.files().stat(area));
        if (there) trace_.containers[*id].private_area = true;
      } else if (entry.name == "0.conf.new") {
        stranger(kLockFile + directory + "/" + entry.name);
      } else if (entry.name.find(".conf.") != std::string::npos &&
                 !entry.name.ends_with(".destroyed") && !entry.name.ends_with(".migrated")) {
        stranger("file " + directory + "/" + entry.name);
      }
    }
    return {};
  }

  Status names() {
    TH_ASSIGN(const auto list, entries(layout_.names_directory()));
    for (const DirectoryEntry& entry : list) {
      const std::string path = layout_.names_directory() + "/" + entry.name;
      if (entry.kind != FileKind::symlink) {
        stranger("file " + path);
        continue;
      }
      TH_ASSIGN(const std::string target, kernel_.files().read_symlink(path));
      const std::size_t slash = target.rfind('/');
      const auto id =
          number_before(target.substr(slash == std::string::npos ? 0 : slash + 1), ".conf");
      if (id)
        trace_.names[entry.name] = *id;
      else
        stranger("name " + path + " -> " + target);
    }
    return {};
  }

  Status areas() {
    TH_ASSIGN(const auto list, entries(layout_.data_directory() + "/private"));
    for (const DirectoryEntry& entry : list) {
      if (const auto id = number_of(entry.name))
        trace_.containers[*id].private_area = true;
      else if (!entry.name.ends_with(".migrated") && !entry.name.ends_with(".destroyed"))
        stranger("area " + layout_.data_directory() + "/private/" + entry.name);
    }
    return {};
  }

  Status locks() {
    const std::string directory = layout_.data_directory() + "/lock";
    TH_ASSIGN(const auto list, entries(directory));
    for (const DirectoryEntry& entry : list) {
      if (const auto id = number_before(entry.name, ".lck"))
        trace_.containers[*id].lock = true;
      else if (const auto other = number_before(entry.name, ".journal"))
        TH_TRY(note_journal(*other, directory + "/" + entry.name));
      else if (const auto third = number_before(entry.name, ".live"))
        trace_.containers[*third].live = true;
      else if (const auto fourth = number_of(entry.name.substr(0, entry.name.find(".lck."))))
        trace_.containers[*fourth].lock = true;
      else
        stranger("lock file " + directory + "/" + entry.name);
    }
    return {};
  }

  Status note_journal(CtId id, const std::string& path) {
    trace_.containers[id].journal = true;
    const auto intent = read_intent(kernel_, path);
    if (!intent && intent.error().code == ErrorCode::node_down) return intent.error();
    if (!intent || !*intent || (*intent)->operation != "migrate") return {};
    const auto asked = (*intent)->facts.find("asked");
    trace_.containers[id].departs = (*intent)->phase == IntentPhase::roll_back &&
                                    asked != (*intent)->facts.end() && asked->second == "yes";
    return {};
  }

  Status up_marks() {
    const std::string directory = layout_.root + "/var/lib/vz/up";
    TH_ASSIGN(const auto list, entries(directory));
    for (const DirectoryEntry& entry : list) {
      if (const auto id = number_of(entry.name))
        trace_.containers[*id].up_mark = true;
      else
        stranger("mark " + directory + "/" + entry.name);
    }
    return {};
  }

  Status dumps() {
    const std::string directory = layout_.data_directory() + "/dump";
    TH_ASSIGN(const auto list, entries(directory));
    for (const DirectoryEntry& entry : list) {
      const auto id = entry.name.starts_with("Dump.")
                          ? number_of(std::string_view(entry.name).substr(5))
                          : std::nullopt;
      const auto unfinished = entry.name.starts_with("Dump.")
                                  ? number_before(std::string_view(entry.name).substr(5), ".new")
                                  : std::nullopt;
      // What it went with stays until it is let go.
      if (unfinished && trace_.containers[*unfinished].departs) continue;
      if (id)
        trace_.containers[*id].dump = true;
      else if (!entry.name.ends_with(".saved"))  // of a restore that failed: kept for a look
        stranger("dump " + directory + "/" + entry.name);
    }
    return {};
  }

  /// A receipt itself stays until the source has let go, which may be never.
  Status receipts() {
    const std::string directory = layout_.data_directory() + "/migration";
    TH_ASSIGN(const auto list, entries(directory));
    const std::string prepared = ".return";
    for (const DirectoryEntry& entry : list) {
      const std::string path = directory + "/" + entry.name;
      bool left = entry.name.ends_with(".new");
      if (entry.name.ends_with(prepared)) {
        TH_ASSIGN(const auto receipt,
                  kernel_.files().stat(path.substr(0, path.size() - prepared.size())));
        left = !receipt;
      }
      if (left) stranger("file " + path);
    }
    return {};
  }

  Status kernel_objects() {
    const std::string roots = layout_.data_directory() + "/root";
    TH_ASSIGN(const auto mounts, kernel_.mounts().list(roots));
    for (const MountInfo& mount : mounts) {
      if (mount.target.size() <= roots.size()) continue;
      const std::string rest = mount.target.substr(roots.size() + 1);
      if (const auto id = number_of(rest.substr(0, rest.find('/'))))
        trace_.containers[*id].mounted = true;
      else
        stranger("mount " + mount.target);
    }
    for (const auto& [id, config] : trace_.configs) {
      const std::string root = place_in(config, "VE_ROOT", id);
      if (root.empty()) continue;
      TH_ASSIGN(const auto mount, kernel_.mounts().find(root));
      if (mount) trace_.containers[id].mounted = true;
    }
    TH_ASSIGN(const auto groups, kernel_.cgroups().children(CgroupPath{}));
    for (const std::string& group : groups) {
      const auto id = number_of(group);
      if (of_the_node(group)) continue;
      if (!id) {
        stranger("cgroup " + group);
        continue;
      }
      trace_.containers[*id].cgroup = true;
      TH_ASSIGN(const FreezeState state, kernel_.cgroups().freeze_state(CgroupPath{group}));
      trace_.containers[*id].frozen = state != FreezeState::thawed;
    }
    TH_ASSIGN(const auto inits, kernel_.processes().list());
    for (const LabeledProcess& process : inits) {
      if (const auto id = number_of(process.label))
        trace_.containers[*id].running = true;
      else
        stranger("init " + process.label);
    }
    TH_ASSIGN(const auto links, kernel_.links().list(NetScope::node()));
    for (const LinkInfo& link : links) {
      if (link.kind != LinkKind::veth || !link.name.starts_with("veth")) continue;
      if (const auto id = number_of(std::string_view(link.name).substr(4)))
        trace_.containers[*id].link = true;
    }
    return {};
  }

  Kernel& kernel_;
  const Layout& layout_;
  NodeTrace trace_;
};

/// What is wrong with one container on one node.
class ContainerJudge {
 public:
  ContainerJudge(std::string where, const ContainerTrace& trace, Strictness strictness,
                 bool rebooted, bool halted, std::vector<std::string>& out)
      : where_(std::move(where)),
        trace_(trace),
        strictness_(strictness),
        rebooted_(rebooted),
        halted_(halted),
        out_(out) {}

  void judge() {
    if (strictness_ == Strictness::busy) return;
    const bool known = trace_.config || trace_.private_area;
    if (!known && trace_.running) complain("a process without configuration and area");
    if (strictness_ == Strictness::disturbed) return;
    // A create that was killed may leave its mount: the area has its real name last.
    if (!known && trace_.mounted) complain("a mount without configuration and area");
    if (trace_.private_area && !trace_.config) complain("an area without configuration");
    if (trace_.config && !trace_.private_area) complain("a configuration without area");
    if (trace_.lock && !rebooted_) complain("a lock that nobody holds");
    if (trace_.journal && !(trace_.departs && trace_.running && trace_.frozen))
      complain("a journal of an operation that has ended");
    if (trace_.running && !trace_.mounted) complain("running, but not mounted");
    if (trace_.running && !trace_.cgroup) complain("running, but without control group");
    if (halted_) return;
    if (!trace_.running && trace_.cgroup) complain("a control group, but not running");
    if (!trace_.running && trace_.link) complain("a network device, but not running");
    if (!known && trace_.dump) complain("a suspended state without configuration and area");
    if (!known && trace_.up_mark) complain("a mark of being up without configuration and area");
    if (trace_.running && trace_.dump && !trace_.frozen)
      complain("running beside a suspended state");
    if (!trace_.running && trace_.live) complain("live settings, but not running");
  }

 private:
  void complain(const std::string& what) { out_.push_back(where_ + ": " + what); }
  std::string where_;
  const ContainerTrace& trace_;
  Strictness strictness_;
  bool rebooted_;
  bool halted_;
  std::vector<std::string>& out_;
};

void judge_names(const std::string& node, const NodeTrace& trace, std::vector<std::string>& out) {
  for (const auto& [name, id] : trace.names) {
    const auto config = trace.configs.find(id);
    if (config == trace.configs.end())
      out.push_back(node + ": the name '" + name + "' leads to CT " + id.text() +
                    ", which has no configuration");
    else if (config->second.find("NAME=\"" + name + "\"") == std::string::npos)
      out.push_back(node + ": the name '" + name + "' leads to CT " + id.text() +
                    ", whose configuration does not say so");
  }
}

void judge_homes(const std::map<CtId, std::vector<std::string>>& homes, const std::set<CtId>& twins,
                 std::vector<std::string>& out) {
  for (const auto& [id, where] : homes) {
    if (where.size() < 2 || twins.contains(id)) continue;
    std::string text;
    for (const std::string& node : where) text += (text.empty() ? "" : ", ") + node;
    out.push_back("CT " + id.text() + " is on several nodes: " + text);
  }
}

std::optional<std::string> judge_data(Stage& stage, const std::string& node,
                                      const RememberedFile& file) {
  Kernel& kernel = stage.kernel(node);
  const std::string where = node + ": CT " + file.container.text() + ": " + file.path;
  const auto tree = container_tree(kernel, stage.layout(node), file.container);
  if (!tree) return where + ": " + tree.error().message();
  const auto content = kernel.files().read_inside(*tree, file.path);
  if (!content) return where + ": acknowledged data is lost: " + content.error().message();
  if (*content != file.content)
    return where + ": acknowledged data has changed to \"" + excerpt(*content, 60) + "\"";
  return std::nullopt;
}

}  // namespace

Result<NodeTrace> look_at(Kernel& kernel, const Layout& layout) {
  return Looker(kernel, layout).look();
}

Result<std::string> container_tree(Kernel& kernel, const Layout& layout, CtId id) {
  TH_ASSIGN(const std::string root, place_of(kernel, layout, id, "VE_ROOT",
                                             layout.data_directory() + "/root/" + id.text()));
  TH_ASSIGN(const auto mount, kernel.mounts().find(root));
  if (mount) return root;
  TH_ASSIGN(const std::string area, private_area_of(kernel, layout, id));
  return area + "/fs";
}

Result<std::string> private_area_of(Kernel& kernel, const Layout& layout, CtId id) {
  return place_of(kernel, layout, id, "VE_PRIVATE",
                  layout.data_directory() + "/private/" + id.text());
}

std::vector<std::string> violations(Stage& stage, const InvariantScope& scope,
                                    const std::vector<RememberedFile>& remembered) {
  std::vector<std::string> out;
  std::map<CtId, std::vector<std::string>> homes;
  std::set<CtId> moving = scope.twins;  // may be on two nodes
  if (scope.nodes.empty()) return out;
  bool settled = scope.all_nodes && scope.strictness == Strictness::idle;
  for (const std::string& node : scope.nodes) {
    if (!stage.is_on(node)) {
      settled = false;
      continue;
    }
    const auto trace = look_at(stage.kernel(node), stage.layout(node));
    if (!trace) {
      out.push_back(node + ": cannot be looked at: " + trace.error().message());
      continue;
    }
    const bool rebooted = scope.rebooted.contains(node);
    for (const auto& [id, container] : trace->containers) {
      const bool halted = scope.halted.contains({node, id});
      ContainerJudge(node + ": CT " + id.text(), container, scope.strictness, rebooted, halted, out)
          .judge();
      if (container.config && container.private_area) homes[id].push_back(node);
      if (container.departs) moving.insert(id);
    }
    if (scope.strictness == Strictness::idle) {
      for (const std::string& stranger : trace->strangers)
        if (!rebooted || !stranger.starts_with(kLockFile))
          out.push_back(node + ": left over: " + stranger);
      judge_names(node, *trace, out);
    }
  }
  if (settled) judge_homes(homes, moving, out);
  for (const RememberedFile& file : remembered) {
    const auto home = homes.find(file.container);
    if (home == homes.end()) {
      if (settled)
        out.push_back("CT " + file.container.text() + " with acknowledged data is on no node");
      continue;
    }
    // While it moves, one complete copy is enough; otherwise there is exactly one.
    std::optional<std::string> first;
    bool kept = false;
    for (const std::string& node : home->second) {
      const auto problem = judge_data(stage, node, file);
      if (!problem)
        kept = true;
      else if (!first)
        first = problem;
    }
    if (!kept) out.push_back(*first);
  }
  if (const Status own = stage.check(); !own) out.push_back("backend: " + own.error().message());
  return out;
}

}  // namespace twinhull::scenario
