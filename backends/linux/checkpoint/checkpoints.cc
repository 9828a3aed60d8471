#include "backends/linux/checkpoint/checkpoints.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <utility>

#include "backends/linux/checkpoint/criu.h"
#include "backends/linux/checkpoint/surroundings.h"
#include "backends/linux/checkpoint/survey.h"
#include "backends/linux/errno_error.h"
#include "backends/linux/process/identity.h"
#include "backends/linux/process/proc_view.h"
#include "backends/linux/process/records.h"
#include "backends/linux/run_tool.h"
#include "backends/linux/unique_fd.h"

namespace twinhull::linux_backend {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

constexpr const char* kInventory = "/inventory.img";
/// What a dump and its restore are told alike. Deleted files that processes have open go into the
/// images up to 256 MiB.
constexpr const char* kCommon[] = {"--manage-cgroups=soft", "--tcp-established", "--network-lock",
                                   "nftables",              "--file-locks",      "--ghost-limit",
                                   "268435456"};

std::string read_file(const std::string& path) {
  std::ifstream stream(path);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

/// An empty directory. Errors: not_found, not_directory, not_empty.
Status check_images(std::string_view operation, const std::string& path) {
  std::error_code error;
  const fs::directory_iterator entries(path, error);
  if (error) return system_error(operation, path, error.value(), "the directory for the images");
  if (entries == fs::directory_iterator()) return {};
  return fail(ErrorCode::not_empty, operation, path, "the directory for the images is not empty");
}

Status sync_path(std::string_view operation, const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file || ::fsync(file.get()) != 0)
    return system_error(operation, path, errno, "cannot make the image durable");
  return {};
}

/// Makes all images durable; the space that they take.
Result<Bytes> sync_images(std::string_view operation, const std::string& images) {
  Bytes size;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(images, error)) {
    if (!entry.is_regular_file(error) || entry.is_symlink(error)) continue;
    TH_TRY(sync_path(operation, entry.path()));
    size += Bytes{entry.file_size(error)};
  }
  TH_TRY(sync_path(operation, images));
  return size;
}

std::uint32_t count_tasks(const std::string& images) {
  std::uint32_t count = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(images, error))
    if (entry.path().filename().string().starts_with("mm-")) ++count;
  return count;
}

void add_devices(Words& words, const std::vector<VethEnds>& devices) {
  for (const VethEnds& ends : devices) {
    words.emplace_back("--external");
    words.push_back(fmt::format("veth[{}]:{}", ends.inside, ends.node));
  }
}

class LinuxCheckpoints final : public Checkpoints {
 public:
  LinuxCheckpoints(const NodeOptions& options, Cgroups& cgroups)
      : options_(options), cgroups_(cgroups), records_(options.run_directory) {}

  Result<Survey> survey(ProcessRef init, Duration watch) override;
  Result<DumpResult> pre_dump(ProcessRef init, const PreDumpSpec& spec) override;
  Result<DumpResult> dump(ProcessRef init, const DumpSpec& spec) override;
  Result<RestoreResult> restore(const RestoreSpec& spec) override;

 private:
  Status require(Feature feature, std::string_view operation, const std::string& object) const {
    const Support support = criu_support(options_, feature);
    if (support.available) return {};
    return fail(ErrorCode::not_supported, operation, object, support.reason);
  }
  /// What both kinds of dump check.
  Result<GroupPlace> examine(std::string_view operation, ProcessRef init, const std::string& images,
                             const std::string& parent);
  /// Everything that runs in the group and below it.
  Result<std::vector<ProcessRef>> members_of(const CgroupPath& top);
  Result<ImageNotes> check_target(const RestoreSpec& spec);
  Result<RestoreResult> adopt(const RestoreSpec& spec, const std::string& pid_file);
  /// CRIU 3.17 saves its own lock of the network with the other tables and brings it back.
  static void unlock(ProcessRef restored, const ImageNotes& notes);
  /// Nothing of a failed restore stays.
  void clear(const RestoreSpec& spec);

  const NodeOptions& options_;
  Cgroups& cgroups_;
  InitRecords records_;
};

Result<GroupPlace> LinuxCheckpoints::examine(std::string_view operation, ProcessRef init,
                                             const std::string& images, const std::string& parent) {
  TH_ASSIGN(GroupPlace place, group_of_init(options_, init, operation));
  TH_TRY(check_images(operation, images));
  if (!parent.empty()) {
    struct stat facts {};
    if (::stat(parent.c_str(), &facts) != 0)
      return system_error(operation, parent, errno, "the images of the round before");
    if (::stat((parent + kInventory).c_str(), &facts) != 0 ||
        fs::path(parent).parent_path() != fs::path(images).parent_path())
      return fail(ErrorCode::corrupt, operation, parent,
                  "these are not the images of the latest pre-dump, beside the new ones");
  }
  TH_TRY(refuse_outsiders(cgroups_, place.group, init, operation));
  return place;
}

Result<std::vector<ProcessRef>> LinuxCheckpoints::members_of(const CgroupPath& top) {
  std::vector<ProcessRef> all;
  std::vector<CgroupPath> groups = {top};
  while (!groups.empty()) {
    const CgroupPath group = std::move(groups.back());
    groups.pop_back();
    TH_ASSIGN(const auto members, cgroups_.processes(group));
    all.insert(all.end(), members.begin(), members.end());
    TH_ASSIGN(const auto children, cgroups_.children(group));
    for (const std::string& child : children) groups.push_back({group.text + "/" + child});
  }
  return all;
}

Result<Survey> LinuxCheckpoints::survey(ProcessRef init, Duration watch) {
  constexpr std::string_view kCall = "checkpoints.survey";
  TH_ASSIGN(const GroupPlace place, group_of_init(options_, init, kCall));
  Survey survey;
  if (const Status alone = refuse_outsiders(cgroups_, place.group, init, kCall); !alone) {
    const Error& error = alone.error();
    if (error.code != ErrorCode::busy) return error;
    survey.hindrances.push_back({error.object, error.detail, error.hint, true});
  }
  TH_ASSIGN(auto mounts,
            mount_hindrances(read_file(fmt::format("/proc/{}/mountinfo", init.pid))));
  survey.hindrances.insert(survey.hindrances.end(), mounts.begin(), mounts.end());
  TH_ASSIGN(const auto members, members_of(place.group));
  for (const ProcessRef& member : members) survey_process(member.pid, survey);
  const bool counts = watch > Duration{0} && criu_support(options_, Feature::dirty_tracking).available;
  if (!counts) return survey;
  for (const ProcessRef& member : members) clear_soft_dirty(member.pid);
  const auto begun = std::chrono::steady_clock::now();
  std::this_thread::sleep_for(watch);
  Pages changed;
  for (const ProcessRef& member : members) changed += count_soft_dirty(member.pid);
  survey.changed = changed;
  survey.watched = std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - begun);
  return survey;
}

Result<DumpResult> LinuxCheckpoints::pre_dump(ProcessRef init, const PreDumpSpec& spec) {
  constexpr std::string_view kCall = "checkpoints.pre_dump";
  TH_TRY(require(Feature::dirty_tracking, kCall, spec.images));
  TH_TRY(examine(kCall, init, spec.images, spec.parent));
  Words words = {"pre-dump", "--tree", std::to_string(init.pid), "--track-mem"};
  if (!spec.parent.empty())
    words.insert(words.end(),
                 {"--prev-images-dir", "../" + fs::path(spec.parent).filename().string()});
  TH_ASSIGN(const std::string said,
            run_criu(options_, std::move(words), spec.images, "dump.log", kCall, spec.images));
  DumpResult result = parse_dump_stats(said);
  TH_ASSIGN(result.images, sync_images(kCall, spec.images));
  return result;
}

Result<DumpResult> LinuxCheckpoints::dump(ProcessRef init, const DumpSpec& spec) {
  constexpr std::string_view kCall = "checkpoints.dump";
  TH_TRY(require(Feature::checkpoint, kCall, spec.images));
  TH_ASSIGN(const GroupPlace place, examine(kCall, init, spec.images, spec.parent));
  ImageNotes notes;
  notes.group = "/" + options_.cgroup_prefix + "/" + place.group.text;
  notes.init = init.pid;
  notes.devices = devices_in(read_file(fmt::format("/proc/{}/net/dev", init.pid)));
  TH_ASSIGN(notes.externals,
            external_mounts(read_file(fmt::format("/proc/{}/mountinfo", init.pid))));
  TH_TRY(compare_devices(spec.devices, notes.devices, kCall));

  TH_ASSIGN(const FreezeState before, cgroups_.freeze_state(place.group));
  const bool was_frozen = before != FreezeState::thawed;
  const bool freezes = !was_frozen && spec.after == AfterDump::stay_frozen;
  if (freezes) TH_TRY(cgroups_.freeze(place.group));

  Words words = {"dump", "--tree", std::to_string(init.pid)};
  words.insert(words.end(), std::begin(kCommon), std::end(kCommon));
  // Who watches a directory of the root (dbus, systemd) holds a handle that overlayfs does not open:
  // the name is looked for in these trees, when one is met.
  for (const char* tree : {"/etc", "/usr/share", "/usr/local", "/usr/lib", "/var", "/opt", "/srv"})
    words.insert(words.end(), {"--irmap-scan-path", tree});
  if (was_frozen || freezes) words.insert(words.end(), {"--freeze-cgroup", place.freezer});
  if (spec.after != AfterDump::kill) words.emplace_back("--leave-running");
  if (!spec.parent.empty())
    words.insert(words.end(), {"--track-mem", "--prev-images-dir",
                               "../" + fs::path(spec.parent).filename().string()});
  add_devices(words, spec.devices);
  for (std::size_t i = 0; i < notes.externals.size(); ++i)
    words.insert(words.end(),
                 {"--external", fmt::format("mnt[{}]:external{}", notes.externals[i].target, i)});

  const auto write = [&]() -> Result<DumpResult> {
    TH_ASSIGN(const std::string said,
              run_criu(options_, std::move(words), spec.images, "dump.log", kCall, spec.images));
    DumpResult result = parse_dump_stats(said);
    result.tasks = count_tasks(spec.images);
    std::ofstream(spec.images + kNotesFile) << notes_text(notes);
    TH_ASSIGN(result.images, sync_images(kCall, spec.images));
    return result;
  };
  Result<DumpResult> result = write();
  if (result || !freezes) return result;
  if (const Status thawed = cgroups_.thaw(place.group); !thawed)
    result.error().detail += "; also failed: " + thawed.error().message();
  return result;
}

Result<ImageNotes> LinuxCheckpoints::check_target(const RestoreSpec& spec) {
  constexpr std::string_view kCall = "checkpoints.restore";
  if (!valid_label(spec.label))
    return fail(ErrorCode::invalid_argument, kCall, spec.label, "this is no label");
  TH_ASSIGN(const auto former, records_.find(spec.label));
  if (former)
    return fail(ErrorCode::already_running, kCall, spec.label,
                fmt::format("process {} is its init already", former->pid));
  struct stat facts {};
  if (::stat(spec.root.c_str(), &facts) != 0)
    return system_error(kCall, spec.root, errno, "the root directory");
  TH_ASSIGN(const auto members, cgroups_.processes(spec.cgroup));
  if (!members.empty())
    return fail(ErrorCode::busy, kCall, spec.cgroup.text, "the control group is not empty");
  if (::stat(spec.images.c_str(), &facts) != 0)
    return system_error(kCall, spec.images, errno, "the images");
  for (std::string at = spec.images; !at.empty();) {
    if (::stat((at + kInventory).c_str(), &facts) != 0)
      return fail(ErrorCode::corrupt, kCall, at + kInventory,
                  "the inventory is missing: the dump was not completed");
    struct stat link {};
    if (::lstat((at + "/parent").c_str(), &link) != 0) break;
    std::error_code error;
    at = fs::canonical(at + "/parent", error);
    if (error)
      return fail(ErrorCode::corrupt, kCall, spec.images,
                  "the images of the round before are missing");
  }
  TH_ASSIGN(ImageNotes notes,
            parse_notes(read_file(spec.images + kNotesFile), spec.images + kNotesFile));
  TH_TRY(compare_devices(spec.devices, notes.devices, kCall));
  for (const VethEnds& ends : spec.devices)
    if (::if_nametoindex(ends.node.c_str()) != 0)
      return fail(ErrorCode::exists, kCall, ends.node, "the node has a device of this name");
  return notes;
}

Result<RestoreResult> LinuxCheckpoints::adopt(const RestoreSpec& spec,
                                              const std::string& pid_file) {
  constexpr std::string_view kCall = "checkpoints.restore";
  const std::string text = read_file(pid_file);
  std::int32_t pid = 0;
  std::from_chars(text.data(), text.data() + text.size(), pid);
  const auto init = pid > 0 ? process_of(pid) : std::nullopt;
  if (!init) return fail(ErrorCode::failed, kCall, spec.label, "the restored init ended at once");
  TH_TRY(records_.add(spec.label, *init));
  if (spec.frozen) {
    // criu left every process stopped: in a frozen group they may go on, and do not.
    TH_TRY(cgroups_.freeze(spec.cgroup));
    TH_ASSIGN(const auto members, members_of(spec.cgroup));
    for (const ProcessRef& member : members) ::kill(member.pid, SIGCONT);
  }
  return RestoreResult{*init, {}, {}};
}

void LinuxCheckpoints::unlock(ProcessRef restored, const ImageNotes& notes) {
  const std::string space = fmt::format("--net=/proc/{}/ns/net", restored.pid);
  const auto tables = run_tool({"nsenter", space, "nft", "list", "tables"}, "checkpoints.restore");
  const std::string lock = fmt::format("CRIU-{}", notes.init);
  if (!tables || tables->output.find(" " + lock + "\n") == std::string::npos) return;
  static_cast<void>(
      run_tool({"nsenter", space, "nft", "delete", "table", "inet", lock}, "checkpoints.restore"));
}

void LinuxCheckpoints::clear(const RestoreSpec& spec) {
  static_cast<void>(cgroups_.kill_all(spec.cgroup));
  // They go with their namespace a while later: the next attempt must not meet them.
  for (const VethEnds& ends : spec.devices)
    if (::if_nametoindex(ends.node.c_str()) != 0)
      static_cast<void>(run_tool({"ip", "link", "del", "dev", ends.node}, "checkpoints.restore"));
}

Result<RestoreResult> LinuxCheckpoints::restore(const RestoreSpec& spec) {
  constexpr std::string_view kCall = "checkpoints.restore";
  const auto begun = std::chrono::steady_clock::now();
  TH_TRY(require(Feature::checkpoint, kCall, spec.label));
  TH_ASSIGN(const ImageNotes notes, check_target(spec));
  const std::string pid_file = fmt::format("{}/{}.restored", options_.run_directory, spec.label);
  ::unlink(pid_file.c_str());
  Words words = {"restore", "--restore-detached", "--root", spec.root, "--pidfile", pid_file};
  words.insert(words.end(), std::begin(kCommon), std::end(kCommon));
  const std::string group = "/" + options_.cgroup_prefix + "/" + spec.cgroup.text;
  if (group != notes.group) words.insert(words.end(), {"--cgroup-root", group});
  if (spec.frozen) words.emplace_back("--leave-stopped");
  add_devices(words, spec.devices);
  for (std::size_t i = 0; i < notes.externals.size(); ++i) {
    std::string source = notes.externals[i].source;
    if (source.starts_with(kView)) {
      TH_ASSIGN(const std::string view, open_proc_view(options_));
      source = view + "/proc/" + source.substr(kView.size());
    }
    words.insert(words.end(), {"--external", fmt::format("mnt[external{}]:{}", i, source)});
  }
  const auto said =
      run_criu(options_, std::move(words), spec.images, "restore.log", kCall, spec.images);
  if (!said) {
    clear(spec);
    ::unlink(pid_file.c_str());
    return said.error();
  }
  auto result = adopt(spec, pid_file);
  ::unlink(pid_file.c_str());
  if (!result) {
    clear(spec);
    return result;
  }
  if (!spec.devices.empty()) unlock(result->init, notes);
  result->pages = parse_restored_pages(*said);
  result->took = std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - begun);
  return result;
}

}  // namespace

std::unique_ptr<Checkpoints> make_checkpoints(const NodeOptions& options, Cgroups& cgroups) {
  return std::make_unique<LinuxCheckpoints>(options, cgroups);
}

}  // namespace twinhull::linux_backend
