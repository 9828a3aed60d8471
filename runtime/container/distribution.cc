#include "runtime/container/distribution.h"

#include <utility>

#include "runtime/kernel/files.h"
#include "runtime/node/exit_codes.h"

namespace twinhull::container {
namespace {

constexpr const char* kPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

std::string address_list(const std::vector<IpPrefix>& addresses) {
  std::vector<std::string> words;
  for (const IpPrefix& address : addresses) words.push_back(address.address.text());
  return joined(words);
}

Result<std::string> read_script(Context& context, const std::string& name) {
  const std::string path = context.layout().distributions_directory() + "/scripts/" + name;
  Result<std::string> text = context.kernel().files().read(path);
  if (!text && text.error().code == ErrorCode::not_found)
    return fail(ErrorCode::not_found, "container.distribution", path,
                "the distribution action script does not exist")
        .with_exit_code(to_int(ExitCode::no_distribution_script));
  return text;
}

/// One action as a subshell: its variables and its `exit` stay inside.
std::string action_text(const DistributionAction& action, const std::string& script) {
  std::string text = "(\n";
  for (const EnvironmentVariable& variable : action.variables)
    text += variable.name + "=" + shell_quote(variable.value) + "\n";
  text += script;
  text += "\n) || th_failed=\"$th_failed " + action.name + "\"\n";
  return text;
}

std::string last_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  const std::size_t start = text.rfind('\n');
  return start == std::string::npos ? text : text.substr(start + 1);
}

Result<ExecOutcome> run(Kernel& kernel, const ActionTarget& target, const ExecSpec& spec) {
  return target.init ? kernel.processes().exec(*target.init, spec)
                     : kernel.processes().run_in_root(target.root, spec);
}

/// Name servers of the node, for NAMESERVER="inherit".
Result<std::string> node_resolver(Context& context, std::string_view keyword) {
  const Result<std::string> text = context.kernel().files().read("/etc/resolv.conf");
  if (!text) {
    if (text.error().code == ErrorCode::not_found) return std::string();
    return text.error();
  }
  std::vector<std::string> values;
  std::string_view rest = *text;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    if (!line.starts_with(keyword)) continue;
    line.remove_prefix(keyword.size());
    if (line.empty() || (line.front() != ' ' && line.front() != '\t')) continue;
    while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
    while (!line.empty() && (line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
    values.emplace_back(line);
  }
  return joined(values);
}

Result<std::string> resolver_value(Context& context, const std::vector<std::string>& values,
                                   std::string_view keyword) {
  if (values.size() == 1 && values.front() == "inherit") return node_resolver(context, keyword);
  return joined(values);
}

}  // namespace

std::optional<std::string> Distribution::script(std::string_view action) const {
  std::optional<std::string> value = file.get(action);
  if (value && value->empty()) value.reset();
  return value;
}

std::vector<std::string> distribution_candidates(const CtSettings& settings) {
  std::string name = settings.distribution.empty() ? settings.ostemplate : settings.distribution;
  if (name.starts_with('.')) name.erase(0, 1);
  std::vector<std::string> names;
  // The name becomes part of a path.
  if (name.find('/') == std::string::npos) {
    while (!name.empty()) {
      names.push_back(name);
      const std::size_t dash = name.rfind('-');
      if (dash == std::string::npos) break;
      name.resize(dash);
    }
  }
  names.emplace_back("default");
  return names;
}

Result<Distribution> find_distribution(Context& context, const CtSettings& settings) {
  const std::vector<std::string> names = distribution_candidates(settings);
  for (const std::string& name : names) {
    const std::string path = context.layout().distributions_directory() + "/" + name + ".conf";
    const Result<std::string> text = context.kernel().files().read(path);
    if (!text) {
      if (text.error().code == ErrorCode::not_found) continue;
      return text.error();
    }
    TH_ASSIGN(ConfigFile file, ConfigFile::parse(*text, path));
    return Distribution{name, std::move(file)};
  }
  return fail(ErrorCode::not_found, "container.distribution",
              context.layout().distributions_directory(),
              "there is no configuration of the distribution; tried: " + joined(names))
      .with_exit_code(to_int(ExitCode::no_distribution_config));
}

Status run_distribution_actions(Context& context, const CtSettings& settings,
                                const ActionTarget& target,
                                const std::vector<DistributionAction>& actions, bool required) {
  if (actions.empty()) return {};
  TH_ASSIGN(const Distribution distribution, find_distribution(context, settings));
  std::string body;
  for (const DistributionAction& action : actions) {
    const std::optional<std::string> name = distribution.script(action.name);
    if (!name) {
      if (required)
        return fail(ErrorCode::not_found, "container.distribution", distribution.name + ".conf",
                    "names no script for the action " + action.name)
            .with_exit_code(to_int(ExitCode::no_distribution_script));
      context.reporter.detail("The distribution " + distribution.name + " has no action " +
                              action.name);
      continue;
    }
    TH_ASSIGN(const std::string script, read_script(context, *name));
    body += action_text(action, script);
  }
  if (body.empty()) return {};
  TH_ASSIGN(const std::string functions, read_script(context, "functions"));
  ExecSpec spec;
  spec.argv = {"/bin/sh"};
  spec.environment = {{"PATH", kPath}, {"HOME", "/"}};
  spec.input =
      "th_failed=\n" + functions + "\n" + body +
      "if [ -n \"$th_failed\" ]; then echo \"failed:$th_failed\" >&2; exit 1; fi\nexit 0\n";
  TH_ASSIGN(const ExecOutcome outcome, run(context.kernel(), target, spec));
  if (outcome.status.success()) {
    // What a script could not do although it went on is worth a line.
    if (!outcome.err.empty()) context.reporter.warn(last_line(outcome.err));
    return {};
  }
  std::string said = outcome.err.empty() ? outcome.out : outcome.err;
  while (!said.empty() && said.back() == '\n') said.pop_back();
  for (char& letter : said)
    if (letter == '\n') letter = ' ';
  return fail(ErrorCode::failed, "container.distribution", "CT " + settings.id.text(),
              "distribution scripts of " + distribution.name + " ended with exit code " +
                  std::to_string(outcome.status.shell_code()) + (said.empty() ? "" : ": " + said));
}

std::string shell_quote(std::string_view text) {
  std::string quoted = "'";
  for (const char letter : text) {
    if (letter == '\'') {
      quoted += "'\\''";
    } else {
      quoted += letter;
    }
  }
  quoted += '\'';
  return quoted;
}

DistributionAction add_ip_action(const CtSettings& settings, bool starting) {
  return {"ADD_IP",
          {{"IP_ADDR", address_list(settings.addresses)},
           {"VE_STATE", starting ? "starting" : "running"},
           {"IPDELALL", "yes"}}};
}

DistributionAction del_ip_action(const std::vector<IpPrefix>& removed, const CtSettings& left) {
  return {
      "DEL_IP",
      {{"IP_ADDR", address_list(removed)}, {"IPDELALL", left.addresses.empty() ? "yes" : "no"}}};
}

DistributionAction set_hostname_action(const CtSettings& settings) {
  return {
      "SET_HOSTNAME",
      {{"HOSTNM", settings.hostname},
       {"IP_ADDR", settings.addresses.empty() ? "" : settings.addresses.front().address.text()}}};
}

Result<DistributionAction> set_dns_action(Context& context, const CtSettings& settings) {
  TH_ASSIGN(std::string servers, resolver_value(context, settings.nameservers, "nameserver"));
  TH_ASSIGN(std::string domains, resolver_value(context, settings.searchdomains, "search"));
  return DistributionAction{
      "SET_DNS", {{"NAMESERVER", std::move(servers)}, {"SEARCHDOMAIN", std::move(domains)}}};
}

}  // namespace twinhull::container
