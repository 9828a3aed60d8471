#include "runtime/container/live.h"

#include <utility>

#include "runtime/kernel/files.h"

namespace twinhull::container {
namespace {

/// A removed key is kept as this value: no parameter has it.
constexpr std::string_view kRemoved = "\x01";

/// "" when there is none.
Result<std::string> read_live_text(Context& context, CtId id) {
  Result<std::string> text = context.kernel().files().read(live_file(context.node, id));
  if (!text && text.error().code == ErrorCode::not_found) return std::string();
  return text;
}

ConfigFile parse_live(std::string_view text) {
  Result<ConfigFile> file = ConfigFile::parse(text, "live changes");
  // A half-written record of changes that end with the container is no reason to fail.
  return file ? std::move(*file) : ConfigFile();
}

}  // namespace

std::string live_file(const NodeConfig& node, CtId id) {
  return node.lock_directory + "/" + id.text() + ".live";
}

Result<ContainerConfig> load_effective_config(Context& context, CtId id) {
  TH_ASSIGN(ContainerConfig config,
            load_container_config(context.kernel(), context.layout(), context.node, id));
  TH_ASSIGN(const std::string live, read_live_text(context, id));
  return with_live_changes(context, std::move(config), live);
}

Result<ContainerConfig> with_live_changes(const Context& context, ContainerConfig config,
                                          std::string_view live_text) {
  const ConfigFile live = parse_live(live_text);
  const std::vector<std::string> keys = live.keys();
  if (keys.empty()) return config;
  for (const std::string& key : keys) {
    const std::string value = live.get(key).value_or("");
    if (value == kRemoved) {
      config.file.unset(key);
    } else {
      TH_TRY(config.file.set(key, value));
    }
  }
  const CtId id = config.settings.id;
  TH_ASSIGN(config.settings, interpret_ct_settings(config.file, context.node, id,
                                                   context.layout().container_config(id)));
  return config;
}

Status record_live(Context& context, CtId id, std::span<const KeyChange> changes, bool saved) {
  TH_ASSIGN(const std::string text, read_live_text(context, id));
  ConfigFile live = parse_live(text);
  const bool was_empty = live.keys().empty();
  for (const KeyChange& change : changes) {
    if (saved) {
      live.unset(change.key);
    } else {
      TH_TRY(live.set(change.key, change.value.value_or(std::string(kRemoved))));
    }
  }
  if (live.keys().empty()) return was_empty ? Status() : forget_live(context, id);
  return context.kernel().files().write(live_file(context.node, id), live.text(), 0600);
}

Status forget_live(Context& context, CtId id) {
  TH_TRY(context.kernel().files().remove(live_file(context.node, id)));
  return {};
}

}  // namespace twinhull::container
