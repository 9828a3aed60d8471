#include "tools/vzmigrate/two_nodes.h"

#include <stdexcept>
#include <utility>

#include "runtime/config/container_index.h"
#include "runtime/config/setting_values.h"
#include "runtime/kernel/files.h"
#include "runtime/migrate/serve.h"
#include "tools/commands.h"
#include "tools/common/node_setup.h"

namespace twinhull::tools {
namespace {

template <typename T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

int call_command(Session& session, const std::vector<std::string>& argv) {
  if (argv[0] == "vzmigrate") return vzmigrate(session, argv);
  if (argv[0] == "vzctl") return vzctl(session, argv);
  throw std::runtime_error("no such command: " + argv[0]);
}

}  // namespace

std::string CommandEnd::text() const {
  return "exit " + std::to_string(code) + "\n" + out + (err.empty() ? "" : "stderr: " + err);
}

TwoNodes::TwoNodes() : TwoNodes(std::make_unique<sim::World>(1)) {
  for (const char* node : {"n1", "n2"}) {
    must(world_->add_node({.name = node}));
    must(set_up_node(kernel(node), Layout{}));
    must(world_->install_template(node, "/vz/template/cache/busybox",
                                  {.name = "busybox", .kind = sim::TemplateSpec::Kind::busybox}));
  }
  must(world_->add_link({.a = "n1", .b = "n2"}));
}

TwoNodes::TwoNodes(std::unique_ptr<sim::World> world) : world_(std::move(world)) { set_service(); }

std::unique_ptr<TwoNodes> TwoNodes::copy() const {
  return std::unique_ptr<TwoNodes>(new TwoNodes(must(sim::World::load(world_->save()))));
}

void TwoNodes::set_service() {
  world_->set_service(kMigrationService, [this](Kernel& kernel, Channel& channel) {
    const std::unique_ptr<Kernel> wrapped = service_wrap_ ? service_wrap_(kernel) : nullptr;
    // What it returns is for logs: the peer hears of failures through the channel.
    static_cast<void>(serve_migration(wrapped ? *wrapped : kernel, Layout{}, channel));
  });
}

void TwoNodes::wrap_service(Wrap wrap) { service_wrap_ = std::move(wrap); }

sim::CommandId TwoNodes::start(const std::string& node, std::string_view line,
                               std::shared_ptr<CapturedConsole> console, Wrap wrap) {
  return must(world_->start(
      node, std::string(line),
      [argv = split_words(line), console = std::move(console), wrap = std::move(wrap)](
          Kernel& kernel) {
        const std::unique_ptr<Kernel> wrapped = wrap ? wrap(kernel) : nullptr;
        Session session{wrapped ? *wrapped : kernel, Layout{}, *console};
        return call_command(session, argv);
      }));
}

int TwoNodes::finish(sim::CommandId command) {
  return must(world_->finish(command, std::chrono::hours(30)));
}

CommandEnd TwoNodes::run(const std::string& node, std::string_view line, const Wrap& wrap) {
  auto console = std::make_shared<CapturedConsole>();
  CommandEnd end;
  end.code = finish(start(node, line, console, wrap));
  end.out = console->out_text;
  end.err = console->error_text;
  return end;
}

void TwoNodes::power_on(const std::string& node) {
  if (!world_->is_on(node)) must(world_->power_on(node));
}

std::string TwoNodes::status(const std::string& node, std::string_view id) {
  std::string text = run(node, "vzctl status " + std::string(id)).out;
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

bool TwoNodes::exists(const std::string& node, const std::string& path) {
  return must(kernel(node).files().stat(path)).has_value();
}

std::optional<std::string> TwoNodes::file(const std::string& node, const std::string& path) {
  Result<std::string> text = kernel(node).files().read(path);
  if (text) return *text;
  if (text.error().code == ErrorCode::not_found) return std::nullopt;
  throw std::runtime_error(text.error().message());
}

void TwoNodes::write(const std::string& node, const std::string& path, std::string_view content,
                     std::uint32_t mode) {
  must(kernel(node).files().write(path, content, mode));
  must(kernel(node).files().sync(path));
  must(kernel(node).files().sync(path.substr(0, path.rfind('/'))));
}

std::string TwoNodes::leftovers(const std::string& node) {
  std::string found;
  Files& files = kernel(node).files();
  const auto look = [&](const std::string& directory, const auto& wrong) {
    const auto entries = files.list(directory);
    if (!entries) return;
    for (const DirectoryEntry& entry : *entries) {
      if (wrong(entry.name)) found += directory + "/" + entry.name + "; ";
    }
  };
  const auto any = [](const std::string&) { return true; };
  look("/vz/lock", any);
  look("/vz/migration", any);
  look("/etc/vz/conf", [](const std::string& name) { return name.ends_with(".migrating"); });
  look("/vz/template/cache", [](const std::string& name) { return name.starts_with("."); });
  look("/vz/private", [&](const std::string& name) {
    return !name.ends_with(".migrated") && !exists(node, "/etc/vz/conf/" + name + ".conf");
  });
  look("/etc/vz/names", [&](const std::string& name) {
    return !must(find_name(kernel(node), Layout{}, name)).has_value();
  });
  return found;
}

}  // namespace twinhull::tools
