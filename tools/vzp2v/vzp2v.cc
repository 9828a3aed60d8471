// vzp2v: makes a container of a physical server, or of a tree that holds a system (spec F9.8).
#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/config/container_index.h"
#include "runtime/kernel/files.h"
#include "runtime/migrate/exit_codes.h"
#include "runtime/migrate/peer_name.h"
#include "runtime/migrate/recovery.h"
#include "runtime/migrate/tools_group.h"
#include "runtime/node/log.h"
#include "runtime/physical/p2v.h"
#include "runtime/physical/services.h"
#include "tools/commands.h"
#include "tools/vzcfg/files.h"
#include "tools/vzcfg/program.h"

namespace twinhull::tools {
namespace {

using migrate::MigrateExit;
using migrate::to_int;

struct Options {
  std::string host;
  std::optional<std::string> ctid;
  std::optional<std::string> directory;
  std::optional<std::string> config;
  std::optional<std::string> port;
  std::optional<std::string> partition;
  std::optional<std::string> distribution;
  std::optional<std::string> disk_space;
  std::optional<std::string> services;
  std::optional<std::string> start;
  std::optional<std::string> hostname;
  std::optional<std::string> name;
  std::optional<std::string> addresses;
};

Error refuse(MigrateExit exit_code, ErrorCode code, const std::string& object,
             std::string_view why) {
  return fail(code, "migrate.options", object, why).with_exit_code(to_int(exit_code));
}

Error bad_option(const std::string& object, std::string_view why) {
  return refuse(MigrateExit::usage, ErrorCode::invalid_argument, object, why)
      .with_hint("see vzp2v --help");
}

/// What the original took, and this product does otherwise or not at all.
Status refuse_unsupported(const Options& options) {
  const auto unsupported = [](const std::string& object, std::string_view why) {
    return refuse(MigrateExit::unsupported, ErrorCode::not_supported, object, why);
  };
  if (options.port)
    return unsupported("-p", "a port cannot be handed on to ssh")
        .with_hint("write \"Host NAME\" and \"Port " + *options.port + "\" into ~/.ssh/config");
  if (options.partition)
    return unsupported("-q",
                       "this node has no quotas of users inside a container; all partitions "
                       "are copied, and the limit of the whole is DISKSPACE")
        .with_hint("leave -q out; give room with -z");
  if (options.host.contains(':') && options.host.find(':') < options.host.find('@') &&
      options.host.contains('@'))
    return unsupported("USER:PASSWORD@HOST",
                       "a password on a command line can be seen by everybody")
        .with_hint("let this node's key in there (ssh-copy-id), and name USER@HOST");
  return {};
}

/// A sample by its name, a file of the node's configurations, or any file.
Status choose_config(Session& session, const std::string& word, physical::CaptureWish& wish) {
  if (word.find('/') == std::string::npos) {
    TH_ASSIGN(const auto sample, session.kernel.files().stat(session.layout.sample_config(word)));
    if (sample) {
      TH_ASSIGN(wish.config, load_sample(session.kernel, session.layout, word));
      wish.origin = word;
      return {};
    }
  }
  TH_ASSIGN(const std::string path, configuration_path(session, word));
  TH_ASSIGN(wish.config, read_configuration(session, path));
  return {};
}

Result<physical::P2vRequest> request_of(Session& session, const Options& options) {
  TH_TRY(refuse_unsupported(options));
  physical::P2vRequest request;
  if (options.host.empty() && !options.directory)
    return bad_option("command line", "neither a HOST nor a --directory is named");
  if (!options.ctid) return bad_option("--ctid", "is missing: the number of the new Container");
  const auto id = parse_ctid(*options.ctid);
  if (!id)
    return migrate::stage_error(MigrateExit::usage, "--ctid", "is no number of a Container",
                                id.error());
  request.wish.id = *id;
  if (!options.host.empty()) {
    TH_ASSIGN(request.machine, migrate::parse_peer(options.host));
  }
  if (options.directory) {
    if (options.host.empty()) {
      TH_ASSIGN(request.directory, named_path(session, *options.directory));
    } else {
      request.directory = *options.directory;
      if (!request.directory.starts_with('/'))
        return bad_option("--directory " + request.directory, "on a machine needs its full path");
    }
    while (request.directory.size() > 1 && request.directory.ends_with('/'))
      request.directory.pop_back();
    if (options.host.empty() && request.directory == "/")
      return bad_option("--directory /", "is this node itself, which does not rest")
          .with_hint("name another machine, or a tree");
  }
  if (options.services) {
    if (!request.machine || request.directory != "/")
      return bad_option("-s", "is for a machine that runs: a tree has no services");
    TH_ASSIGN(request.services, physical::parse_services(*options.services));
  }
  if (options.start && *options.start != "yes" && *options.start != "no")
    return bad_option("-t " + *options.start, "accepted are yes and no");
  request.start = options.start == "yes";
  request.wish.distribution = options.distribution.value_or("");
  if (options.config) {
    auto chosen = choose_config(session, *options.config, request.wish);
    if (!chosen)
      return migrate::stage_error(MigrateExit::usage, "-c", "the configuration cannot be used",
                                  std::move(chosen).error());
  }
  const auto ask = [&](const char* parameter, const std::optional<std::string>& value) {
    if (value) request.wish.parameters.push_back({parameter, {*value}});
  };
  ask("diskspace", options.disk_space);
  ask("hostname", options.hostname);
  ask("name", options.name);
  ask("ipadd", options.addresses);
  return request;
}

Result<int> run(Session& session, const Options& options) {
  TH_ASSIGN(const NodeConfig node, load_node_config(session.kernel, session.layout));
  Reporter reporter(session, node, "vzp2v", Verbosity::normal);
  container::Context context{session, node, reporter, {migrate::recovery_handler()}};
  const auto make = [&]() -> Status {
    TH_ASSIGN(const physical::P2vRequest request, request_of(session, options));
    TH_TRY(migrate::enter_tools_group(session.kernel, node, session.enter_group));
    return physical::physical_to_container(context, request);
  };
  const Status made = make();
  if (made) return 0;
  if (made.error().code != ErrorCode::node_down) reporter.error(made.error().message());
  return migrate::migrate_exit_code(made.error());
}

}  // namespace

int vzp2v(Session& session, std::span<const std::string> argv) {
  Options options;
  const ProgramGrammar grammar{
      .program = "vzp2v",
      .summary =
          "Makes a Container of a physical server, or of a directory tree that holds a system. "
          "The source keeps everything.",
      .examples =
          "  vzp2v root@web --ctid 101 -c web.conf -s nginx,postgresql\n"
          "      of the machine web as it runs: copied while it works; then the services stop,\n"
          "      and what has changed is copied once more\n"
          "  vzp2v root@rescue --directory /mnt/disk --ctid 101 -z 50G\n"
          "      of a disk that is mounted on a machine started from a rescue system\n"
          "  vzp2v --directory /srv/image --ctid 101 --hostname web --ipadd 10.0.0.5 -t yes\n"
          "      of a tree on this node, and start it\n"
          "Exit codes: 0 made; 1 usage; 3 locked; 4 no connection; 5 no system in the tree;\n"
          "6 copying failed; 7 made, but does not start; 8 a service does not stop; 9 exists;\n"
          "12 address in use; 21 connection broken; 31 disk space; 32 architecture; 34 this very\n"
          "node; 45 name used; 57 unsupported\n",
      .values =
          {{"--ctid", &options.ctid, "CTID", "Number of the new Container"},
           {"--directory", &options.directory, "TREE",
            "The tree that holds the system, on HOST or, without it, here; it must rest"},
           {"-c,--config", &options.config, "CONFIG",
            "Sample or configuration file (see vzhwcalc); default: what the machine uses now"},
           {"-d,--distribution", &options.distribution, "NAME",
            "Distribution, such as debian-12; default: what the system says"},
           {"-z,--diskspace", &options.disk_space, "SIZE", "DISKSPACE of the Container"},
           {"-s,--services", &options.services, "NAMES",
            "Services to stop before the last pass, separated by commas"},
           {"-t,--start", &options.start, "yes|no", "Start it afterwards; default no"},
           {"--hostname", &options.hostname, "NAME", "As vzctl create"},
           {"--name", &options.name, "NAME", "As vzctl create"},
           {"--ipadd", &options.addresses, "ADDRESSES", "As vzctl create"},
           {"-p,--port", &options.port, "PORT", "Not supported: use ~/.ssh/config"},
           {"-q,--quota", &options.partition, "PARTITION", "Not supported"}},
      .word = {"HOST", &options.host, "[USER@]HOST: the machine", false}};
  return run_program(session, grammar, argv,
                     {.usage = to_int(MigrateExit::usage), .failure = to_int(MigrateExit::system)},
                     [&] { return run(session, options); });
}

}  // namespace twinhull::tools
