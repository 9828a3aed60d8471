// vzcfgscale: a configuration with more or less of everything (spec F4.35).
#include <fmt/format.h>

#include <optional>

#include "runtime/resource/scale.h"
#include "tools/commands.h"
#include "tools/vzcfg/files.h"
#include "tools/vzcfg/program.h"
#include "tools/vzcfg/save.h"

namespace twinhull::tools {
namespace {

struct Options {
  std::optional<std::string> output;
  std::optional<std::string> all;
  std::optional<std::string> cpu;
  std::optional<std::string> disk;
  std::optional<std::string> beancounters;
  std::optional<std::string> network;
  bool drop = false;
  std::string file;
};

/// The factor of one group: its own option, else -a.
Result<std::optional<resource::Factor>> factor_of(const std::optional<std::string>& own,
                                                  const std::optional<std::string>& all,
                                                  const char* option) {
  if (!own && !all) return std::optional<resource::Factor>();
  const auto factor = resource::parse_factor(own ? *own : *all);
  if (factor) return std::optional(*factor);
  return fail(ErrorCode::invalid_argument, "vzcfgscale", own ? option : "-a",
              factor.error().object + ": " + factor.error().detail);
}

Result<int> run(Session& session, const Options& options) {
  resource::ScaleFactors factors;
  TH_ASSIGN(factors.cpu, factor_of(options.cpu, options.all, "-c"));
  TH_ASSIGN(factors.disk, factor_of(options.disk, options.all, "-d"));
  TH_ASSIGN(factors.beancounters, factor_of(options.beancounters, options.all, "-u"));
  TH_ASSIGN(factors.network, factor_of(options.network, options.all, "-n"));
  if (!factors.cpu && !factors.disk && !factors.beancounters && !factors.network && !options.drop)
    return fail(ErrorCode::invalid_argument, "vzcfgscale", "command line",
                "nothing to do: none of -a, -c, -d, -u, -n and -r is given")
        .with_hint("see vzcfgscale --help");
  TH_ASSIGN(const std::string path, configuration_path(session, options.file));
  std::string output;
  if (options.output) {
    TH_ASSIGN(output, named_path(session, *options.output));
    TH_ASSIGN(const bool same, same_file(session, path, output));
    if (same)
      return fail(ErrorCode::invalid_argument, "vzcfgscale", output,
                  "is the file that is read: nothing was written")
          .with_hint("name another file with -o");
  }
  TH_ASSIGN(ConfigFile file, read_configuration(session, path));
  TH_TRY(resource::scale(file, factors));
  if (options.drop) resource::drop_container_keys(file);
  if (options.output)
    TH_TRY(save_configuration(session, "vzcfgscale", output, file));
  else
    session.console.out(file.text());
  return 0;
}

}  // namespace

int vzcfgscale(Session& session, std::span<const std::string> argv) {
  Options options;
  const ProgramGrammar grammar{
      .program = "vzcfgscale",
      .summary = "Multiplies the resources of a configuration. Run vzcfgvalidate on the result.",
      .examples =
          "  vzcfgscale -a 2 ve-basic.conf-sample\n"
          "  vzcfgscale -c 1.5 -u 0.5 -o /etc/vz/conf/ve-half.conf-sample \\\n"
          "      /etc/vz/conf/ve-vps.512MB.conf-sample\n"
          "  vzcfgscale -r -a 1 -o /etc/vz/conf/ve-like101.conf-sample /etc/vz/conf/101.conf\n",
      .flags = {{"-r,--remove", &options.drop,
                 "Leave out what belongs to one Container alone: addresses, names, places"}},
      .values = {{"-o,--output", &options.output, "OUT", "File to write; default: standard output"},
                 {"-a,--all", &options.all, "K", "Factor for everything that has none of its own"},
                 {"-c,--cpu", &options.cpu, "K", "Factor for CPUUNITS, CPULIMIT, BURST_CPULIMIT"},
                 {"-d,--disk", &options.disk, "K", "Factor for DISKSPACE, DISKINODES"},
                 {"-u,--ubc", &options.beancounters, "K",
                  "Factor for memory and counts: PHYSPAGES, SWAPPAGES, NUMPROC, KMEMSIZE ..."},
                 {"-n,--net", &options.network, "K", "Factor for the rates of RATE"}},
      .word = {"FILE", &options.file,
               "Configuration to start from; a bare name is one of /etc/vz/conf", true}};
  return run_program(session, grammar, argv, {}, [&] { return run(session, options); });
}

}  // namespace twinhull::tools
