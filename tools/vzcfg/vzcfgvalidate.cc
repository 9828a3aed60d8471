// vzcfgvalidate: checks and repairs a configuration (spec F4.36).
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "runtime/config/beancounters.h"
#include "runtime/config/node_config.h"
#include "runtime/config/quantity.h"
#include "runtime/kernel/host.h"
#include "runtime/resource/validate.h"
#include "tools/commands.h"
#include "tools/vzcfg/files.h"
#include "tools/vzcfg/program.h"
#include "tools/vzcfg/save.h"

namespace twinhull::tools {
namespace {

constexpr int kValidationFailed = 2;

struct Options {
  bool repair = false;
  bool ask = false;
  std::optional<std::string> verbose;
  std::string file;
};

std::string message(const resource::Finding& finding) {
  std::string text = fmt::format("{}: {}", to_string(finding.severity), finding.text);
  if (!finding.key.empty() && !finding.text.starts_with(finding.key))
    text = fmt::format("{}: {}: {}", to_string(finding.severity), finding.key, finding.text);
  if (finding.fix) text += fmt::format("; {}=\"{}\" would do", finding.key, *finding.fix);
  return text;
}

/// Every parameter that has been looked at, as it is written.
void show_parameters(Session& session, const ConfigFile& file) {
  for (const Beancounter& counter : beancounters())
    if (const auto value = file.get(counter.key))
      session.console.out(fmt::format("{}=\"{}\"\n", counter.key, *value));
  for (const char* key : {"DISKSPACE", "DISKINODES"})
    if (const auto value = file.get(key))
      session.console.out(fmt::format("{}=\"{}\"\n", key, *value));
}

Result<int> run(Session& session, const Options& options) {
  bool verbose = false;
  if (options.verbose) {
    const auto wish = parse_yes_no(*options.verbose);
    if (!wish)
      return fail(ErrorCode::invalid_argument, "vzcfgvalidate",
                  fmt::format("-v \"{}\"", *options.verbose), "accepted: yes or no");
    verbose = *wish;
  }
  if (options.repair && options.ask)
    return fail(ErrorCode::invalid_argument, "vzcfgvalidate", "command line",
                "-r and -i exclude each other");
  TH_ASSIGN(const std::string path, configuration_path(session, options.file));
  TH_ASSIGN(ConfigFile file, read_configuration(session, path));
  const std::string before = file.text();
  TH_ASSIGN(const NodeConfig node, load_node_config(session.kernel, session.layout));
  TH_ASSIGN(const HostInfo host, session.kernel.host().info());
  if (verbose) show_parameters(session, file);

  Answers answers(session);
  const auto choose = [&](const resource::Finding& finding) {
    // A recommendation is advice, not damage: -r leaves it to a person.
    if (options.repair) return finding.severity != resource::Severity::recommendation;
    if (!options.ask) return false;
    const auto answer = answers.ask(
        fmt::format("{}\nSet {} to {}? (y/n) ", message(finding), finding.key, *finding.fix));
    return answer && (*answer == "y" || *answer == "Y" || *answer == "yes");
  };
  TH_ASSIGN(const auto findings, resource::validate(file, node, host, choose));
  const bool repaired = std::any_of(findings.begin(), findings.end(),
                                    [](const auto& finding) { return finding.repaired; });
  if (repaired) TH_TRY(save_configuration(session, "vzcfgvalidate", path, file, before));
  for (const resource::Finding& finding : findings) {
    if (finding.repaired)
      session.console.out(fmt::format("{} set to {} in {}\n", finding.key, *finding.fix, path));
    else if (!options.ask || !finding.fix)
      session.console.out(message(finding) + "\n");
  }
  const bool failed = std::any_of(findings.begin(), findings.end(), resource::is_problem);
  session.console.out(failed ? "Validation completed: failed\n"
                             : "Validation completed: success\n");
  return failed ? kValidationFailed : 0;
}

}  // namespace

int vzcfgvalidate(Session& session, std::span<const std::string> argv) {
  Options options;
  const ProgramGrammar grammar{
      .program = "vzcfgvalidate",
      .summary =
          "Checks whether a configuration is consistent and fits this node. Exit codes: 0 it "
          "does, 1 it cannot be checked, 2 errors or warnings are left.",
      .examples =
          "  vzcfgvalidate 101.conf                    # a bare name: of /etc/vz/conf\n"
          "  vzcfgvalidate -r /etc/vz/conf/101.conf    # repair errors and warnings\n"
          "  vzcfgvalidate -i /etc/vz/conf/101.conf    # ask about each\n",
      .flags = {{"-r,--repair", &options.repair, "Repair errors and warnings in the file"},
                {"-i,--interactive", &options.ask, "Ask before each repair, recommendations too"}},
      .values = {{"-v,--verbose", &options.verbose, "yes|no", "Show the parameters too"}},
      .word = {"FILE", &options.file, "Configuration to check; a bare name is one of /etc/vz/conf",
               true}};
  return run_program(session, grammar, argv, {}, [&] { return run(session, options); });
}

}  // namespace twinhull::tools
