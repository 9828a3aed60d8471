#include "runtime/migrate/arrival.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/config/atomic_write.h"
#include "runtime/config/container_index.h"
#include "runtime/container/dump.h"
#include "runtime/container/operations.h"
#include "runtime/container/scripts.h"
#include "runtime/container/state.h"
#include "runtime/kernel/clock.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/quotas.h"
#include "runtime/migrate/checks.h"
#include "runtime/migrate/exit_codes.h"
#include "runtime/migrate/receipt.h"
#include "runtime/resource/resources.h"

namespace twinhull::migrate {
namespace {

Error bad_message(std::string_view why) {
  return fail(ErrorCode::protocol, "migrate.begin", "peer", why)
      .with_exit_code(to_int(MigrateExit::protocol));
}

}  // namespace

std::string_view to_string(FinalState state) {
  switch (state) {
    case FinalState::stopped: return "stopped";
    case FinalState::suspended: return "suspended";
    case FinalState::mounted: return "mounted";
    case FinalState::running: return "running";
  }
  return "stopped";
}

Result<FinalState> parse_final_state(std::string_view name) {
  for (const FinalState state :
       {FinalState::stopped, FinalState::suspended, FinalState::mounted, FinalState::running}) {
    if (to_string(state) == name) return state;
  }
  return bad_message("unknown state of a container");
}

Status bring_up(container::Context& context, CtId id, FinalState state,
                const std::function<void()>& went_on, const CtSettings* settings) {
  if (state == FinalState::stopped || state == FinalState::suspended) return {};
  Kernel& kernel = context.kernel();
  TH_ASSIGN(const container::State now,
            settings != nullptr
                ? container::observe(kernel, context.layout(), context.node, *settings)
                : container::observe(kernel, context.layout(), context.node, id));
  if (now.running() || (state == FinalState::mounted && now.mounted)) return {};
  if (state == FinalState::running && now.suspended)
    return container::resume(context, id, {.dumpfile = {}, .went_on = went_on});
  if (state == FinalState::mounted) return container::mount(context, id, {});
  return container::start(context, id, {.force = true});
}

Result<ContainerArrival> ContainerArrival::plan(container::Context& context, const Message& begin) {
  ContainerArrival arrival(context);
  TH_ASSIGN(arrival.id_, parse_ctid(begin.text("ctid")));
  arrival.token_ = begin.text("token");
  if (!valid_token(arrival.token_)) return bad_message("no token");
  arrival.keep_ = begin.says_yes("keep");
  arrival.with_processes_ = begin.says_yes("processes");

  const auto config = std::find_if(begin.attachments.begin(), begin.attachments.end(),
                                   [](const Attachment& a) { return a.name == "config"; });
  if (config == begin.attachments.end()) return bad_message("no configuration");
  const std::string path = context.layout().container_config(arrival.id_);
  TH_ASSIGN(ConfigFile file, ConfigFile::parse(config->content, path));
  // Paths are this node's business: the source's may not exist here, or be another's.
  for (const auto& [key, field] :
       {std::pair{"VE_PRIVATE", "private"}, std::pair{"VE_ROOT", "root"}}) {
    const std::string pattern = begin.text(field);
    if (pattern.empty())
      file.unset(key);
    else
      TH_TRY(file.set(key, pattern));
  }
  TH_ASSIGN(const CtSettings settings,
            interpret_ct_settings(file, context.node, arrival.id_, path));
  arrival.settings_ = settings;
  arrival.area_ = settings.private_area;
  arrival.name_ = settings.name;
  arrival.ostemplate_ = settings.ostemplate;
  if (!plain_template_name(arrival.ostemplate_)) return bad_message("no template's name");
  if (!arrival.name_.empty()) TH_TRY(check_name(arrival.name_));
  arrival.config_text_ = file.text();

  // Only action scripts that this version knows, under this container's number.
  const auto known = container::container_scripts(context.layout(), arrival.id_);
  for (const Attachment& attachment : begin.attachments) {
    if (attachment.name == "config") continue;
    const auto same = [&](const std::string& script) {
      return script.ends_with("/" + arrival.id_.text() + "." + attachment.name);
    };
    const auto script = std::find_if(known.begin(), known.end(), same);
    if (script == known.end()) return bad_message("an unknown action script");
    arrival.scripts_.push_back({*script, attachment.mode, attachment.content});
  }
  return arrival;
}

std::string ContainerArrival::template_staging() const {
  return context_->node.template_cache(fmt::format(".{}.{}.migrating", ostemplate_, id_.text()));
}

std::string ContainerArrival::dump_staging() const {
  return staged(container::dump_path(context_->node, id_));
}

Step ContainerArrival::leave_area() const {
  if (worth_keeping_) return {StepKind::rename_quota_tree, area_, kept_area()};
  return {StepKind::remove_quota_tree, area_, {}};
}

Intent ContainerArrival::intent() const {
  const Layout& layout = context_->layout();
  const std::string config = layout.container_config(id_);
  Intent intent;
  intent.operation = "arrive";
  intent.committed_when = receipt_path(layout, token_);
  intent.facts["token"] = token_;
  for (const Attachment& script : scripts_) {
    intent.back.push_back({StepKind::remove_file, staged(script.name), {}});
    intent.forward.push_back({StepKind::rename, staged(script.name), script.name});
  }
  intent.back.push_back({StepKind::remove_file, staged(config), {}});
  const std::string prepared = return_path(layout, token_);
  // A killed write leaves its text beside the name.
  for (const std::string& path : {prepared, prepared + ".new", receipt_path(layout, token_) + ".new"})
    intent.back.push_back({StepKind::remove_file, path, {}});
  intent.back.push_back({StepKind::remove_file, pages_note(layout, id_), {}});
  intent.back.push_back({StepKind::remove_tree, template_staging(), {}});
  intent.back.push_back({StepKind::remove_tree, dump_staging(), {}});
  intent.back.push_back(leave_area());
  // Nothing to do for a container that came without processes.
  intent.forward.push_back(
      {StepKind::rename, dump_staging(), container::dump_path(context_->node, id_)});
  if (!name_.empty()) {
    intent.forward.push_back(
        {StepKind::make_symlink, layout.names_directory() + "/" + name_, config});
  }
  // Last: with its configuration the container is there.
  intent.forward.push_back({StepKind::rename, staged(config), config});
  return intent;
}

Status ContainerArrival::prepare() {
  Kernel& kernel = context_->kernel();
  Files& files = kernel.files();
  const Layout& layout = context_->layout();
  for (const std::string& path : {layout.container_config(id_), area_}) {
    TH_ASSIGN(const auto there, files.stat(path));
    if (!there) continue;
    return fail(ErrorCode::exists, "migrate.begin", path, "exists at the destination")
        .with_exit_code(to_int(MigrateExit::exists));
  }
  TH_TRY(make_directories(files, layout.names_directory()));
  // Of a container that had this number before: the name must be free.
  TH_TRY(container::discard_dump(kernel, container::dump_path(context_->node, id_)));
  TH_TRY(write_intent(kernel, context_->node.journal_file(id_), intent()));
  TH_TRY(prepare_return());
  for (const Attachment& script : scripts_) {
    TH_TRY(files.write(staged(script.name), script.content, script.mode));
    TH_TRY(files.set_mode(staged(script.name), script.mode));
    TH_TRY(files.sync(staged(script.name)));
  }
  const std::string config = layout.container_config(id_);
  TH_TRY(files.write(staged(config), config_text_));
  TH_TRY(files.sync(staged(config)));
  TH_TRY(files.sync(parent_directory(config)));
  TH_TRY(make_directories(files, parent_directory(area_)));
  TH_TRY(kernel.quotas().create_tree(area_));
  return files.sync(parent_directory(area_));
}

Status ContainerArrival::reuse_kept(const std::string& digest) {
  Kernel& kernel = context_->kernel();
  TH_ASSIGN(const auto kept, kernel.files().stat(kept_area()));
  if (!kept) return {};
  if (!keep_) {
    TH_TRY(kernel.quotas().remove_tree(kept_area()));
    return {};
  }
  TH_TRY(kernel.quotas().remove_tree(area_));
  TH_TRY(kernel.quotas().rename_tree(kept_area(), area_));
  if (!digest.empty()) {
    TH_ASSIGN(const std::string found, kernel.files().digest_tree(area_));
    area_complete_ = found == digest;
  }
  area_older_ = !area_complete_;
  return keep_area();
}

Status ContainerArrival::keep_area() {
  if (!keep_ || worth_keeping_) return {};
  worth_keeping_ = true;
  TH_TRY(prepare_return());
  return write_intent(context_->kernel(), context_->node.journal_file(id_), intent());
}

Status ContainerArrival::prepare_return() {
  Arrived all = all_of_it();
  all.has_state = with_processes_;
  return migrate::prepare_return(*context_, all);
}

Status ContainerArrival::receive_template(Channel& channel, TransferResult& result) {
  Files& files = context_->kernel().files();
  const std::string staging = template_staging();
  TH_TRY(files.remove_tree(staging));
  TH_TRY(make_directories(files, staging));
  TH_ASSIGN(result, channel.receive_tree(staging));
  return {};
}

Status ContainerArrival::adopt_template() {
  Files& files = context_->kernel().files();
  const std::string final_path = context_->node.template_cache(ostemplate_);
  TH_ASSIGN(const bool present, template_present(*context_, ostemplate_));
  if (present) {
    TH_TRY(files.remove_tree(template_staging()));  // another migration brought it meanwhile
    return {};
  }
  TH_TRY(files.rename(template_staging(), final_path));
  return files.sync(parent_directory(final_path));
}

Status ContainerArrival::receive_area(Channel& channel, TransferResult& result) {
  TH_TRY(keep_area());
  TH_ASSIGN(result, channel.receive_tree(area_));
  return {};
}

Status ContainerArrival::accept_area() {
  area_complete_ = true;
  if (!with_processes_) return {};
  const auto limited = resource::apply_disk_limit(context_->kernel(), settings_, /*strict=*/false);
  if (!limited && limited.error().code == ErrorCode::node_down) return limited.error();
  return {};
}

Status ContainerArrival::receive_images(const Message& message, Channel& channel,
                                        TransferResult& result) {
  Files& files = context_->kernel().files();
  const std::string name = message.text("name");
  const bool plain =
      !name.empty() && name.size() <= 32 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
      });
  if (!plain) return bad_message("no name of images");
  TH_TRY(make_directories(files, parent_directory(dump_staging())));
  for (const std::string& path : {dump_staging(), dump_staging() + "/" + name})
    TH_TRY(files.make_directory(path, 0700));
  const std::string images = dump_staging() + "/" + name;
  auto received = channel.receive_tree(images);
  if (!received) {
    // Half of them, and worth nothing; those of another try may come.
    if (const Result<Effect> removed = files.remove_tree(images); !removed)
      received.error().detail += "; also failed: " + removed.error().message();
    return received.error();
  }
  result = *received;
  return message.says_yes("passing") ? Status() : files.sync(dump_staging());
}

Status ContainerArrival::receive_state(const Message& message) {
  container::DumpFacts facts;
  facts.id = id_;
  facts.has_network = message.says_yes("network");
  facts.lazy = message.says_yes("lazy");
  if (facts.lazy) TH_TRY(note_awaited_pages(*context_, id_, token_));
  for (const Attachment& attachment : message.attachments)
    if (attachment.name == "live") facts.live = attachment.content;
  Kernel& kernel = context_->kernel();
  if (message.says_yes("passing")) {
    TH_ASSIGN(facts.boot, kernel.host().boot_id());
  }
  // Durable though the images are not: that processes came along must not be forgotten, or after a
  // power cut the container would be started anew here while its source still holds them.
  TH_TRY(container::write_dump_facts(kernel, dump_staging(), facts));
  has_state_ = true;
  return kernel.files().sync(parent_directory(dump_staging()));
}

Status ContainerArrival::take_over(FinalState state, bool& ours) {
  Kernel& kernel = context_->kernel();
  ours = true;
  Status committed = write_receipt(*context_, token_);
  if (!committed) {
    if (committed.error().code == ErrorCode::node_down ||
        committed.error().code == ErrorCode::input_output) {
      return committed;
    }
    // Without receipt the journal can only roll back, now or at the next command.
    ours = false;
    if (Status undone = abandon(); !undone) {
      committed.error().detail += "; also failed: " + undone.error().message();
    }
    return committed;
  }
  // What fails from here on is completed by the next command.
  TH_TRY(replay_intent(kernel, intent()));
  TH_TRY(clear_intent(kernel, context_->node.journal_file(id_), true));
  Status up =
      bring_up(*context_, id_, state, [&] { went_on_ = kernel.clock().now(); }, &settings_);
  if (up || up.error().code == ErrorCode::node_down) return up;
  TH_ASSIGN(const bool gone_on, has_gone_on(*context_, id_, has_state_));
  if (gone_on) return up;  // the next command completes it
  Error failure = fail(up.error().code, "migrate.start", "CT " + id_.text(),
                       "cannot be brought up at the destination")
                      .with_exit_code(to_int(MigrateExit::cannot_start))
                      .caused_by(std::move(up).error());
  TH_TRY(give_back(*context_, all_of_it()));
  ours = false;
  return failure;
}

Arrived ContainerArrival::all_of_it() const {
  Arrived all{.id = id_,
              .token = token_,
              .name = name_,
              .scripts = {},
              .leave_area = leave_area(),
              .has_state = has_state_};
  for (const Attachment& script : scripts_) all.scripts.push_back(script.name);
  return all;
}

Status ContainerArrival::abandon() {
  Kernel& kernel = context_->kernel();
  Intent back = intent();
  back.committed_when.clear();
  TH_TRY(replay_intent(kernel, back));
  return clear_intent(kernel, context_->node.journal_file(id_), true);
}

}  // namespace twinhull::migrate
