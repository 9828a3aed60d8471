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
#include <optional>
#include <sstream>
#include <thread>
#include <utility>

#include "backends/linux/cgroup/delegation.h"
#include "backends/linux/cgroup/layout.h"
#include "backends/linux/checkpoint/criu.h"
#include "backends/linux/checkpoint/dump_author.h"
#include "backends/linux/checkpoint/lazy_pages.h"
#include "backends/linux/checkpoint/pace.h"
#include "backends/linux/checkpoint/page_protocol.h"
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

/// The space that all images take; when they are to be durable, they are now.
Result<Bytes> finish_images(std::string_view operation, const std::string& images, bool durable) {
  Bytes size;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(images, error)) {
    if (!entry.is_regular_file(error) || entry.is_symlink(error)) continue;
    if (durable) TH_TRY(sync_path(operation, entry.path()));
    size += Bytes{entry.file_size(error)};
  }
  if (durable) TH_TRY(sync_path(operation, images));
  return size;
}

Duration since(std::chrono::steady_clock::time_point begun) {
  return std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - begun);
}

std::uint32_t count_tasks(const std::string& images) {
  std::uint32_t count = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(images, error))
    if (entry.path().filename().string().starts_with("mm-")) ++count;
  return count;
}

/// Who watches a directory of the root (dbus, systemd) holds a handle that overlayfs does not open:
/// the name is looked for in these trees, when one is met.
void add_watched_trees(Words& words) {
  for (const char* tree : {"/etc", "/usr/share", "/usr/local", "/usr/lib", "/var", "/opt", "/srv"})
    words.insert(words.end(), {"--irmap-scan-path", tree});
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
  Result<SentDump> dump_over(ProcessRef init, const DumpSpec& spec, Channel& channel,
                             const TransferOptions& how) override;
  Result<RestoreResult> restore(const RestoreSpec& spec) override;

  Result<PagesMoved> give_pages(ProcessRef init, Channel& channel) override {
    return give_held_pages(options_, init, channel);
  }
  Result<PagesMoved> take_pages(ProcessRef init, Channel& channel) override {
    return take_missing_pages(options_, init, channel);
  }
  Result<Effect> drop_pages(ProcessRef init) override { return drop_held_pages(options_, init); }
  Result<bool> lacks_pages(ProcessRef init) override { return lacks_pages_yet(options_, init); }

 private:
  Status require(Feature feature, std::string_view operation, const std::string& object) const {
    const Support support = criu_support(options_, feature);
    if (support.available) return {};
    return fail(ErrorCode::not_supported, operation, object, support.reason);
  }
  /// What both kinds of dump check.
  Result<GroupPlace> examine(std::string_view operation, ProcessRef init, const std::string& images,
                             const std::string& parent);
  /// A dump that has been checked; its processes stand where they are to stand still by themselves.
  struct Plan {
    GroupPlace place;
    ImageNotes notes;
    Words words;           ///< of criu
    bool freezes = false;  ///< they ran before
  };
  Result<Plan> plan_dump(std::string_view operation, ProcessRef init, const DumpSpec& spec);
  /// What criu leaves to us, once its images are written.
  static Status complete(std::string_view operation, const DumpSpec& spec, const ImageNotes& notes,
                         DumpResult& result);
  /// A dump that failed leaves the processes as they were.
  void let_go(const Plan& plan, Error& error);
  /// A dump by a holder that stays with the memory.
  Result<DumpResult> dump_lazily(std::vector<std::string> words, ProcessRef init,
                                 const CgroupPath& group,
                                 const std::string& images, const std::string& name,
                                 std::optional<NewHolder>& holder);
  Result<ImageNotes> check_target(const RestoreSpec& spec);
  /// The file of nested_script; empty = there is nothing for it to do.
  Result<std::string> group_script(const RestoreSpec& spec, const ImageNotes& notes);
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
  TH_ASSIGN(const bool lacks, lacks_pages_yet(options_, init));
  if (lacks)
    return fail(ErrorCode::busy, operation, fmt::format("process {}", init.pid),
                "memory of this container has yet to come from where it was dumped");
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
  TH_ASSIGN(const auto members, cgroups_.processes(place.group));
  for (const ProcessRef& member : members) survey_process(member.pid, survey);
  const bool counts = watch > Duration{0} && criu_support(options_, Feature::dirty_tracking).available;
  if (!counts) return survey;
  for (const ProcessRef& member : members) clear_soft_dirty(member.pid);
  const auto begun = std::chrono::steady_clock::now();
  std::this_thread::sleep_for(watch);
  Pages changed;
  for (const ProcessRef& member : members) changed += count_soft_dirty(member.pid);
  survey.changed = changed;
  survey.watched = since(begun);
  return survey;
}

Result<DumpResult> LinuxCheckpoints::pre_dump(ProcessRef init, const PreDumpSpec& spec) {
  constexpr std::string_view kCall = "checkpoints.pre_dump";
  TH_TRY(require(Feature::dirty_tracking, kCall, spec.images));
  TH_TRY(examine(kCall, init, spec.images, spec.parent));
  Words words = {"pre-dump", "--tree", std::to_string(init.pid), "--track-mem"};
  add_watched_trees(words);
  if (!spec.parent.empty())
    words.insert(words.end(),
                 {"--prev-images-dir", "../" + fs::path(spec.parent).filename().string()});
  TH_ASSIGN(const std::string said,
            run_criu(options_, std::move(words), spec.images, "dump.log", kCall, spec.images));
  DumpResult result = parse_dump_stats(said);
  TH_ASSIGN(result.images, finish_images(kCall, spec.images, spec.durable));
  return result;
}

Result<LinuxCheckpoints::Plan> LinuxCheckpoints::plan_dump(std::string_view operation,
                                                           ProcessRef init, const DumpSpec& spec) {
  TH_TRY(require(Feature::checkpoint, operation, spec.images));
  Plan plan;
  TH_ASSIGN(plan.place, examine(operation, init, spec.images, spec.parent));
  const GroupPlace& place = plan.place;
  ImageNotes& notes = plan.notes;
  notes.group = "/" + options_.cgroup_prefix + "/" + place.group.text;
  notes.init = init.pid;
  notes.devices = devices_in(read_file(fmt::format("/proc/{}/net/dev", init.pid)));
  TH_ASSIGN(notes.externals,
            external_mounts(read_file(fmt::format("/proc/{}/mountinfo", init.pid))));
  TH_TRY(compare_devices(spec.devices, notes.devices, operation));
  if (place.alone_in_v2) {
    TH_ASSIGN(notes.groups, read_nested_groups(place.freezer, operation));
  }

  TH_ASSIGN(const FreezeState before, cgroups_.freeze_state(place.group));
  const bool was_frozen = before != FreezeState::thawed;
  plan.freezes = !was_frozen && spec.after == AfterDump::stay_frozen;
  if (plan.freezes) TH_TRY(cgroups_.freeze(place.group));

  Words& words = plan.words;
  words = {"dump", "--tree", std::to_string(init.pid)};
  words.insert(words.end(), std::begin(kCommon), std::end(kCommon));
  add_watched_trees(words);
  if (was_frozen || plan.freezes) words.insert(words.end(), {"--freeze-cgroup", place.freezer});
  if (spec.after != AfterDump::kill) words.emplace_back("--leave-running");
  if (!spec.parent.empty())
    words.insert(words.end(), {"--track-mem", "--prev-images-dir",
                               "../" + fs::path(spec.parent).filename().string()});
  add_devices(words, spec.devices);
  for (std::size_t i = 0; i < notes.externals.size(); ++i)
    words.insert(words.end(),
                 {"--external", fmt::format("mnt[{}]:external{}", notes.externals[i].target, i)});
  return plan;
}

Status LinuxCheckpoints::complete(std::string_view operation, const DumpSpec& spec,
                                  const ImageNotes& notes, DumpResult& result) {
  result.tasks = count_tasks(spec.images);
  std::ofstream(spec.images + kNotesFile) << notes_text(notes);
  TH_ASSIGN(result.images, finish_images(operation, spec.images, spec.durable));
  return {};
}

void LinuxCheckpoints::let_go(const Plan& plan, Error& error) {
  if (!plan.freezes) return;
  if (const Status thawed = cgroups_.thaw(plan.place.group); !thawed)
    error.detail += "; also failed: " + thawed.error().message();
}

Result<DumpResult> LinuxCheckpoints::dump(ProcessRef init, const DumpSpec& spec) {
  constexpr std::string_view kCall = "checkpoints.dump";
  if (spec.lazy) TH_TRY(require(Feature::lazy_pages, kCall, spec.images));
  if (spec.lazy && spec.after != AfterDump::stay_frozen)
    return fail(ErrorCode::invalid_argument, kCall, spec.images,
                "memory can be held back with frozen processes only");
  TH_ASSIGN(Plan plan, plan_dump(kCall, init, spec));
  std::optional<NewHolder> holder;
  const auto begun = std::chrono::steady_clock::now();
  const auto write = [&]() -> Result<DumpResult> {
    DumpResult result;
    if (spec.lazy) {
      TH_ASSIGN(plan.notes.lazy, new_dump_name(kCall));
      TH_ASSIGN(result, dump_lazily(plan.words, init, plan.place.group, spec.images, plan.notes.lazy,
                                    holder));
    } else {
      TH_ASSIGN(const std::string said,
                run_criu(options_, plan.words, spec.images, "dump.log", kCall, spec.images));
      result = parse_dump_stats(said);
    }
    TH_TRY(complete(kCall, spec, plan.notes, result));
    if (!spec.lazy)
      note_run(options_, EngineWork::dump, {since(begun), result.tasks, result.written});
    if (holder) TH_TRY(holder->adopt(init, held_socket(options_, init), kCall));
    return result;
  };
  Result<DumpResult> result = write();
  holder.reset();
  if (!result) let_go(plan, result.error());
  return result;
}

Result<SentDump> LinuxCheckpoints::dump_over(ProcessRef init, const DumpSpec& spec, Channel& channel,
                                             const TransferOptions& how) {
  constexpr std::string_view kCall = "checkpoints.dump_over";
  std::optional<Plan> plan;
  std::chrono::steady_clock::time_point begun;
  const auto start = [&]() -> Result<RunningTool> {
    if (spec.lazy || spec.after == AfterDump::kill)
      return fail(ErrorCode::invalid_argument, kCall, spec.images,
                  "what is sent while it is written is the memory of processes that are not ended");
    if (how.author != nullptr || how.changing || how.update || !how.hollow.empty())
      return fail(ErrorCode::invalid_argument, kCall, spec.images,
                  "images are sent as they are: rate, compression and durability can be chosen");
    TH_ASSIGN(plan, plan_dump(kCall, init, spec));
    begun = std::chrono::steady_clock::now();
    return start_criu(options_, plan->words, spec.images, "dump.log", kCall);
  };
  const auto finish = [&](const ToolOutcome& outcome) -> Result<DumpResult> {
    if (outcome.exit_code != 0)
      return criu_failure(options_, outcome, spec.images, "dump.log", kCall, spec.images);
    const Duration took = since(begun);
    DumpResult result = parse_dump_stats(outcome.output);
    TH_TRY(complete(kCall, spec, plan->notes, result));
    // With a rate the end of the tool is seen late, between two pieces.
    if (!how.rate) note_run(options_, EngineWork::dump, {took, result.tasks, result.written});
    return result;
  };
  DumpAuthor author(start, finish);
  TransferOptions options;
  options.rate = how.rate;
  options.compress = how.compress;
  options.durable = how.durable;
  options.author = &author;
  auto sent = channel.send_tree(spec.images, options);
  author.end();
  if (sent && !author.failure()) return SentDump{author.result(), *std::move(sent)};
  Error error = author.failure() ? *author.failure() : std::move(sent).error();
  if (plan) let_go(*plan, error);
  return error;
}

Result<DumpResult> LinuxCheckpoints::dump_lazily(Words words, ProcessRef init,
                                                 const CgroupPath& group,
                                                 const std::string& images,
                                                 const std::string& name,
                                                 std::optional<NewHolder>& holder) {
  constexpr std::string_view kCall = "checkpoints.dump";
  const auto begun = std::chrono::steady_clock::now();
  HolderPlan plan;
  plan.images = fs::absolute(images);
  plan.dump = name;
  plan.socket = fmt::format("{}/{}.dumping", options_.run_directory, init.pid);
  plan.init = init;
  plan.members = [this, group] { return cgroups_.processes(group); };
  plan.frozen = [this, group] {
    const auto state = cgroups_.freeze_state(group);
    return state && *state == FreezeState::frozen;
  };
  TH_ASSIGN(plan.wire, wire_of_criu(options_, kCall));
  plan.criu = {find_criu(options_)};
  plan.criu.insert(plan.criu.end(), words.begin(), words.end());
  plan.criu.insert(plan.criu.end(), {"--lazy-pages", "--images-dir", plan.images, "--log-file",
                                     "dump.log", "-v2"});
  auto started = start_holder(plan, kCall);
  if (!started)
    return criu_failure(options_, {1, {}}, images, "dump.log", kCall, images);
  holder.emplace(std::move(*started));
  PageMap held;
  TH_ASSIGN(const PageCounts counts, read_pagemaps(images, held, kCall));
  DumpResult result;
  result.scanned = counts.lazy + counts.present + counts.parent;
  result.written = counts.present;
  result.skipped = counts.parent;
  result.frozen = since(begun);
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
  if (spec.lazy == notes.lazy.empty())
    return fail(ErrorCode::invalid_argument, kCall, spec.images,
                spec.lazy ? "the images are whole: their dump held no memory back"
                          : "the images are of a lazy dump, whose memory is elsewhere");
  TH_TRY(compare_devices(spec.devices, notes.devices, kCall));
  for (const VethEnds& ends : spec.devices)
    if (::if_nametoindex(ends.node.c_str()) != 0)
      return fail(ErrorCode::exists, kCall, ends.node, "the node has a device of this name");
  return notes;
}

Result<std::string> LinuxCheckpoints::group_script(const RestoreSpec& spec,
                                                   const ImageNotes& notes) {
  constexpr std::string_view kCall = "checkpoints.restore";
  if (notes.groups.empty()) return std::string();
  TH_ASSIGN(const CgroupLayout layout, detect_cgroup_layout());
  if (layout.kind != CgroupLayoutKind::v2)
    return fail(ErrorCode::not_supported, kCall, spec.images,
                "its processes are in groups of cgroup v2, which this node does not have");
  TH_ASSIGN(const std::string text,
            nested_script(fmt::format("{}/{}/{}", layout.unified, options_.cgroup_prefix,
                                      spec.cgroup.text),
                          notes.groups, kCall));
  const std::string path = fmt::format("{}/{}.groups", options_.run_directory, spec.label);
  std::ofstream(path) << text;
  if (::chmod(path.c_str(), 0700) != 0)
    return system_error(kCall, path, errno, "cannot be written");
  return path;
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
    TH_ASSIGN(const auto members, cgroups_.processes(spec.cgroup));
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
  if (spec.lazy) TH_TRY(require(Feature::lazy_pages, kCall, spec.label));
  TH_ASSIGN(const ImageNotes notes, check_target(spec));
  const std::string pid_file = fmt::format("{}/{}.restored", options_.run_directory, spec.label);
  ::unlink(pid_file.c_str());
  Words words = {"restore", "--restore-detached", "--root", spec.root, "--pidfile", pid_file};
  words.insert(words.end(), std::begin(kCommon), std::end(kCommon));
  TH_ASSIGN(const std::string script, group_script(spec, notes));
  if (!script.empty()) words.insert(words.end(), {"--action-script", script});
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
  std::optional<NewHolder> holder;
  if (spec.lazy) {
    TH_ASSIGN(NewHolder filling, start_filling(options_, cgroups_, spec, notes.lazy));
    holder.emplace(std::move(filling));
    words.emplace_back("--lazy-pages");
  }
  // The dump's tree of groups may be writable inside.
  TH_ASSIGN(const CgroupLayout layout, detect_cgroup_layout());
  TH_TRY(ensure_delegation(layout));
  const auto engine = std::chrono::steady_clock::now();
  const auto said =
      run_criu(options_, std::move(words), spec.images, "restore.log", kCall, spec.images);
  const Duration took = since(engine);
  if (!script.empty()) ::unlink(script.c_str());
  if (!said) {
    clear(spec);
    ::unlink(pid_file.c_str());
    return said.error();
  }
  auto result = adopt(spec, pid_file);
  ::unlink(pid_file.c_str());
  if (result && holder) {
    const Status adopted = holder->adopt(result->init, missing_socket(options_, result->init), kCall);
    if (!adopted) result = adopted.error();
  }
  if (!result) {
    clear(spec);
    return result;
  }
  if (!spec.devices.empty()) unlock(result->init, notes);
  result->pages = parse_restored_pages(*said);
  result->took = since(begun);
  if (!spec.lazy)
    note_run(options_, EngineWork::restore, {took, count_tasks(spec.images), result->pages});
  return result;
}

}  // namespace

std::unique_ptr<Checkpoints> make_checkpoints(const NodeOptions& options, Cgroups& cgroups) {
  return std::make_unique<LinuxCheckpoints>(options, cgroups);
}

}  // namespace twinhull::linux_backend
