#include "runtime/physical/capture.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "runtime/config/atomic_write.h"
#include "runtime/config/container_index.h"
#include "runtime/container/distribution.h"
#include "runtime/container/dump.h"
#include "runtime/container/identity.h"
#include "runtime/container/new_system.h"
#include "runtime/container/scripts.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/quotas.h"
#include "runtime/migrate/exit_codes.h"
#include "runtime/network/venet.h"
#include "runtime/physical/profile.h"
#include "runtime/resource/amounts.h"
#include "runtime/resource/resources.h"
#include "runtime/resource/size_text.h"

namespace twinhull::physical {
namespace {

using migrate::MigrateExit;
using migrate::to_int;
using resource::size_text;

constexpr const char* kAction = "FROM_MACHINE";

/// Parents first. systemd of Debian gives up where /run/lock is no mount, and the kernel's side
/// mounts there when the directory exists.
constexpr std::array<std::pair<const char*, std::uint32_t>, 6> kBareDirectories = {
    {{"dev", 0755},
     {"proc", 0755},
     {"run", 0755},
     {"run/lock", 01777},
     {"sys", 0755},
     {"tmp", 01777}}};

Error refusal(MigrateExit exit_code, ErrorCode code, const std::string& object,
              std::string_view why) {
  return fail(code, "migrate.machine", object, why).with_exit_code(to_int(exit_code));
}

std::string soft_and_hard(std::uint64_t soft) {
  return fmt::format("{}:{}", soft, resource::times(soft, 11, 10));
}

}  // namespace

Status Capture::choose_config(const CaptureWish& wish, const CaptureSource& source) {
  if (wish.config) {
    file_ = *wish.config;
    return {};
  }
  if (source.config_text.empty()) {
    TH_ASSIGN(file_,
              load_sample(context_->kernel(), context_->layout(), context_->node.default_sample));
    TH_TRY(file_.set("ORIGIN_SAMPLE", context_->node.default_sample));
  } else {
    TH_ASSIGN(file_, ConfigFile::parse(source.config_text, source.name));
  }
  const DiskRoom room = disk_room(source.size);
  TH_TRY(file_.set("DISKSPACE", soft_and_hard(room.kibibytes)));
  return file_.set("DISKINODES", soft_and_hard(room.inodes));
}

/// Writes the facts of its origin over the configuration.
Status Capture::describe(const CaptureWish& wish, const CaptureSource& source) {
  Kernel& kernel = context_->kernel();
  TH_ASSIGN(const std::string uuid, container::make_uuid(kernel, wish.id));
  for (const char* key : {"VE_PRIVATE", "VE_ROOT", "TEMPLATES"}) file_.unset(key);
  const std::string distribution =
      wish.distribution.empty() ? source.distribution : wish.distribution;
  TH_TRY(file_.set("OSTEMPLATE", fmt::format(".{}", kBareTemplate)));
  if (distribution.empty())
    file_.unset("DISTRIBUTION");
  else
    TH_TRY(file_.set("DISTRIBUTION", distribution));
  if (!wish.origin.empty()) TH_TRY(file_.set("ORIGIN_SAMPLE", wish.origin));
  TH_TRY(file_.set("TECHNOLOGIES", source.architecture));
  TH_TRY(file_.set("UUID", uuid));
  TH_TRY(file_.set("VERSION", "2"));
  if (file_.get("HOSTNAME").value_or("").empty() && !source.hostname.empty())
    TH_TRY(file_.set("HOSTNAME", source.hostname));
  return {};
}

Result<Capture> Capture::plan(container::Context& context, const CaptureWish& wish,
                              const CaptureSource& source) {
  Kernel& kernel = context.kernel();
  Capture capture(context);
  TH_ASSIGN(const HostInfo host, kernel.host().info());
  if (source.architecture != host.architecture)
    return refusal(MigrateExit::technologies, ErrorCode::not_supported, source.name,
                   fmt::format("its programs are for {}, this node is {}", source.architecture,
                               host.architecture));
  TH_TRY(capture.choose_config(wish, source));
  TH_TRY(capture.describe(wish, source));
  const std::string path = context.layout().container_config(wish.id);
  const auto usage = [](Error lower) {
    return migrate::stage_error(MigrateExit::usage, "configuration", "cannot be used",
                                std::move(lower));
  };
  const auto before = interpret_ct_settings(capture.file_, context.node, wish.id, path);
  if (!before) return usage(before.error());
  const auto changes =
      parse_parameters(wish.parameters, {*before, context.node, host, &capture.file_});
  if (!changes) return usage(changes.error());
  TH_TRY(apply_changes(capture.file_, *changes));
  auto settings = interpret_ct_settings(capture.file_, context.node, wish.id, path);
  if (!settings) return usage(std::move(settings).error());
  capture.settings_ = std::move(*settings);
  capture.temporary_ = capture.settings_.private_area + ".tmp";
  capture.size_ = source.size;
  TH_TRY(capture.check_disk_limit(source));
  TH_TRY(capture.check_distribution());
  return capture;
}

Status Capture::check_disk_limit(const CaptureSource& source) const {
  if (!settings_.disk_quota) return {};
  const std::uint64_t space = settings_.diskspace ? settings_.diskspace->limit : kUnlimited;
  if (space != kUnlimited && space < source.size.bytes.value / 1024)
    return refusal(MigrateExit::no_disk_space, ErrorCode::quota_exceeded,
                   "CT " + settings_.id.text(),
                   fmt::format("its DISKSPACE is {}, {} holds {}", size_text(space * 1024),
                               source.name, size_text(source.size.bytes.value)))
        .with_hint("give it more with -z");
  const std::uint64_t inodes = settings_.diskinodes ? settings_.diskinodes->limit : kUnlimited;
  if (inodes < source.size.inodes.value)
    return refusal(MigrateExit::no_disk_space, ErrorCode::quota_exceeded,
                   "CT " + settings_.id.text(),
                   fmt::format("its DISKINODES are {}, {} holds {} files and directories", inodes,
                               source.name, source.size.inodes.value))
        .with_hint("raise DISKINODES in the configuration");
  return {};
}

Status Capture::check_distribution() const {
  TH_ASSIGN(const container::Distribution distribution,
            container::find_distribution(*context_, settings_));
  if (!distribution.script(kAction))
    return refusal(MigrateExit::unsupported, ErrorCode::not_supported, distribution.name + ".conf",
                   fmt::format("names no script for the action {}, so systems of this kind cannot "
                               "be taken from a machine",
                               kAction))
        .with_hint(fmt::format("add the line {}=default-from_machine.sh in {}", kAction,
                               context_->layout().distributions_directory()));
  context_->reporter.detail("Distribution: " + distribution.name);
  if (distribution.name == "default" && !settings_.distribution.empty())
    context_->reporter.warn("no configuration of the distribution " + settings_.distribution +
                            " is here: the default one serves, which leaves its network files as "
                            "they are");
  return {};
}

Status Capture::check_free() const {
  Kernel& kernel = context_->kernel();
  const CtId id = settings_.id;
  for (const std::string& path :
       {context_->layout().container_config(id), settings_.private_area}) {
    TH_ASSIGN(const auto there, kernel.files().stat(path));
    if (there)
      return refusal(MigrateExit::exists, ErrorCode::exists, "CT " + id.text(),
                     path + " exists on this node")
          .with_hint("choose another number with --ctid");
  }
  if (!settings_.name.empty()) {
    TH_ASSIGN(const std::optional<CtId> owner,
              find_name(kernel, context_->layout(), settings_.name));
    if (owner && *owner != id)
      return refusal(
          MigrateExit::name_used, ErrorCode::exists, "CT " + id.text(),
          fmt::format("the name \"{}\" belongs to CT {}", settings_.name, owner->text()));
  }
  if (Status free = network::check_free(kernel, id, settings_.addresses); !free)
    return migrate::stage_error(MigrateExit::address_in_use, "CT " + id.text(),
                                "an address of it is in use", std::move(free).error());
  return {};
}

Status Capture::check_space() const {
  TH_ASSIGN(const DiskInfo disk, context_->kernel().host().disk(settings_.private_area));
  if (size_.bytes < disk.available) return {};
  return refusal(MigrateExit::no_disk_space, ErrorCode::no_space, settings_.private_area,
                 fmt::format("{} are needed, {} are free", size_text(size_.bytes.value),
                             size_text(disk.available.value)))
      .with_hint("make room there");
}

/// Made in its place: a part of it that a power cut left is completed by the next call.
Status Capture::make_bare_template() const {
  Files& files = context_->kernel().files();
  const std::string tree = context_->node.template_cache(kBareTemplate);
  TH_TRY(make_directories(files, tree));
  for (const auto& [name, mode] : kBareDirectories) {
    TH_TRY(files.make_directory(tree + "/" + name));
    TH_TRY(files.set_mode(tree + "/" + name, mode));
    TH_TRY(files.sync(tree + "/" + name));
  }
  TH_TRY(files.sync(tree + "/run"));
  return files.sync(tree);
}

Intent Capture::intent() const {
  const std::string config = context_->layout().container_config(settings_.id);
  Intent intent;
  intent.operation = "p2v";
  intent.committed_when = config;
  intent.back = {{StepKind::unmount, settings_.root, {}},
                 {StepKind::remove_file, settings_.root, {}},
                 {StepKind::remove_quota_tree, temporary_, {}},
                 {StepKind::remove_quota_tree, settings_.private_area, {}}};
  if (!settings_.name.empty())
    intent.forward.push_back({StepKind::make_symlink,
                              context_->layout().names_directory() + "/" + settings_.name, config});
  return intent;
}

Status Capture::prepare(bool& settled) {
  settled = true;
  Kernel& kernel = context_->kernel();
  Files& files = kernel.files();
  TH_TRY(check_free());
  TH_TRY(check_space());
  // Of a container that had this number before.
  TH_TRY(container::discard_dump(kernel, container::dump_path(context_->node, settings_.id)));
  settled = false;
  TH_TRY(write_intent(kernel, context_->node.journal_file(settings_.id), intent()));
  TH_TRY(make_bare_template());
  TH_TRY(make_directories(files, parent_directory(temporary_)));
  TH_TRY(kernel.quotas().create_tree(temporary_));
  TH_TRY(files.make_directory(temporary_ + "/work", 0700));
  return files.sync(temporary_);
}

Status Capture::make_tree() {
  Files& files = context_->kernel().files();
  TH_TRY(files.make_directory(tree()));
  return files.sync(temporary_);
}

Status Capture::empty_directories(const std::vector<std::string>& names) {
  Files& files = context_->kernel().files();
  for (const std::string& name : names) {
    const std::string directory = tree() + "/" + name;
    TH_ASSIGN(const auto info, files.stat(directory));
    // Never through a link: the tree is not trusted.
    if (!info || info->kind != FileKind::directory) continue;
    TH_ASSIGN(const auto entries, files.list(directory));
    for (const DirectoryEntry& entry : entries)
      TH_TRY(files.remove_tree(directory + "/" + entry.name));
    TH_TRY(files.sync(directory));
  }
  return {};
}

Status Capture::adopt(bool& committed) {
  Kernel& kernel = context_->kernel();
  const CtId id = settings_.id;
  TH_TRY(container::configure_new_system(*context_, settings_, temporary_,
                                         {{kAction, {{"VEID", id.text()}}}}));
  TH_TRY(kernel.quotas().rename_tree(temporary_, settings_.private_area));
  TH_TRY(kernel.files().sync(parent_directory(settings_.private_area)));
  TH_ASSIGN(const resource::ApplyReport applied,
            resource::apply_disk_limit(kernel, settings_, /*strict=*/false));
  for (const std::string& warning : applied.warnings) context_->reporter.warn(warning);
  // The point of no return: from here on it is a container.
  TH_TRY(save_container_config(kernel, context_->layout(), id, file_));
  committed = true;
  if (!settings_.name.empty()) TH_TRY(set_name(kernel, context_->layout(), id, settings_.name));
  TH_TRY(clear_intent(kernel, context_->node.journal_file(id), /*durable=*/true));
  return container::run_node_scripts(*context_, id, "create");
}

Status Capture::take_back() {
  Kernel& kernel = context_->kernel();
  TH_TRY(replay_intent(kernel, intent()));
  return clear_intent(kernel, context_->node.journal_file(settings_.id), /*durable=*/true);
}

}  // namespace twinhull::physical
