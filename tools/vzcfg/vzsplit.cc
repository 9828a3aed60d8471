// vzsplit: a sample configuration for one of N equal containers (spec F4.34).
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "runtime/config/atomic_write.h"
#include "runtime/config/quantity.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"
#include "runtime/resource/split.h"
#include "tools/commands.h"
#include "tools/vzcfg/files.h"
#include "tools/vzcfg/program.h"

namespace twinhull::tools {
namespace {

struct Options {
  std::optional<std::string> number;
  std::optional<std::string> name;
  std::optional<std::string> swap;
  std::optional<std::string> path;
};

Error bad_option(std::string_view option, const std::string& value, std::string_view accepted) {
  return fail(ErrorCode::invalid_argument, "vzsplit", fmt::format("{} \"{}\"", option, value),
              fmt::format("accepted: {}", accepted));
}

Result<std::uint64_t> number_of_containers(Session& session, const Options& options) {
  std::string text = options.number.value_or("");
  if (!options.number) text = Answers(session).ask("Enter the number of Containers: ").value_or("");
  const auto number = parse_number(text, 1, 100000);
  if (!number) return bad_option("-n", text, "a number of Containers from 1 to 100000");
  return *number;
}

/// The name becomes part of a file's name.
Status check_name(const std::string& name) {
  const bool plain = !name.empty() && name.size() <= 64 && name.front() != '.' &&
                     std::all_of(name.begin(), name.end(), [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
                     });
  if (plain) return {};
  return bad_option("-f", name, "a name of letters, digits, '.', '-' and '_'");
}

Result<resource::NodeResources> node_resources(Session& session, const Options& options) {
  TH_ASSIGN(const HostInfo host, session.kernel.host().info());
  resource::NodeResources node;
  node.memory = host.memory;
  node.swap = host.swap;
  if (options.swap) {
    const auto kib = parse_number(*options.swap, 0, std::uint64_t{1} << 50);
    if (!kib) return bad_option("-s", *options.swap, "swap space in KB");
    node.swap = {*kib * 1024};
  }
  std::string path = session.layout.data_directory();
  if (options.path) {
    TH_ASSIGN(path, named_path(session, *options.path));
  }
  TH_ASSIGN(const DiskInfo disk, session.kernel.host().disk(path));
  node.disk_free = disk.available;
  return node;
}

Result<int> run(Session& session, const Options& options) {
  if (options.name) TH_TRY(check_name(*options.name));
  TH_ASSIGN(const resource::NodeResources node, node_resources(session, options));
  TH_ASSIGN(const std::uint64_t number, number_of_containers(session, options));
  TH_ASSIGN(const resource::NodeShare share, resource::split_node(node, number));
  const std::string text = resource::sample_text(node, share);
  if (!options.name) {
    session.console.out(text);
    return 0;
  }
  Files& files = session.kernel.files();
  const std::string path = session.layout.sample_config(*options.name);
  TH_ASSIGN(const std::optional<FileInfo> there, files.stat(path));
  if (there)
    return fail(ErrorCode::exists, "vzsplit", path, "exists, and nothing was written")
        .with_hint("choose another name with -f, or remove it first");
  TH_TRY(write_atomically(files, path, text));
  session.console.out(fmt::format("Config {} was created\n", path));
  return 0;
}

}  // namespace

int vzsplit(Session& session, std::span<const std::string> argv) {
  Options options;
  const ProgramGrammar grammar{
      .program = "vzsplit",
      .summary = "Makes a sample configuration that divides this node into equal Containers.",
      .examples =
          "  vzsplit -n 20                 # show it\n"
          "  vzsplit -n 20 -f twentieth    # write ve-twentieth.conf-sample\n"
          "  vzctl create 101 --ostemplate busybox --config twentieth\n",
      .values = {{"-n", &options.number, "N", "Number of Containers; asked for when not given"},
                 {"-f", &options.name, "NAME",
                  "Write /etc/vz/conf/ve-NAME.conf-sample instead of showing it"},
                 {"-s", &options.swap, "KB", "Swap space to divide; default: the node's"},
                 {"-p", &options.path, "PATH", "Disk to divide is the one at PATH; default /vz"}}};
  return run_program(session, grammar, argv, {}, [&] { return run(session, options); });
}

}  // namespace twinhull::tools
