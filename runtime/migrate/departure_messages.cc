#include "runtime/migrate/departure_messages.h"

#include <algorithm>

#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"

namespace twinhull::migrate {

Result<Arrival> arrival_at_destination(container::Context& context, const MigrationRequest& request,
                                       const CtSettings& settings, const std::string& name,
                                       bool online) {
  Kernel& kernel = context.kernel();
  Arrival arrival;
  arrival.id = request.id_there;
  arrival.name = name;
  arrival.online = online;
  arrival.uuid = settings.uuid;
  arrival.addresses = settings.addresses;
  arrival.ostemplate = settings.ostemplate;
  TH_ASSIGN(const HostInfo host, kernel.host().info());
  arrival.architecture = host.architecture;
  arrival.cpu_features = host.cpu_features;
  TH_ASSIGN(const TreeSize area, kernel.files().measure_tree(settings.private_area));
  arrival.area = area.bytes;
  TH_ASSIGN(const bool here, template_present(context, settings.ostemplate));
  if (here) {
    TH_ASSIGN(const TreeSize size, kernel.files().measure_tree(
                                       context.node.template_cache(settings.ostemplate)));
    // Never 0 when it is there: 0 says that it is not.
    arrival.template_size = {std::max<std::uint64_t>(size.bytes.value, 1)};
  }
  return arrival;
}

Result<Message> begin_message(container::Context& context, const MigrationRequest& request,
                              const ContainerConfig& config,
                              std::span<const container::ScriptFile> scripts,
                              const std::string& token, bool processes, bool stopped) {
  Files& files = context.kernel().files();
  Message message{.type = "begin",
                  .fields = {{"ctid", request.id_there.text()},
                             {"token", token},
                             {"private", request.private_pattern},
                             {"root", request.root_pattern},
                             {"keep", request.keep_destination ? "yes" : "no"},
                             {"processes", processes ? "yes" : "no"}}};
  ConfigFile file = config.file;
  if (!request.name_there.empty()) TH_TRY(file.set("NAME", request.name_there));
  message.attachments.push_back({"config", 0644, file.text()});
  for (const auto& [path, info] : scripts) {
    if (info.kind != FileKind::regular) continue;
    TH_ASSIGN(std::string content, files.read(path));
    message.attachments.push_back(
        {path.substr(path.find_last_of('.') + 1), info.mode, std::move(content)});
  }
  if (request.keep_destination && stopped) {
    TH_ASSIGN(message.fields["digest"], files.digest_tree(config.settings.private_area));
  }
  return message;
}

}  // namespace twinhull::migrate
