#include "runtime/physical/services.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/kernel/processes.h"
#include "runtime/migrate/exit_codes.h"

namespace twinhull::physical {
namespace {

using migrate::MigrateExit;
using migrate::to_int;

constexpr Duration kPatience = seconds(600);
constexpr const char* kPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr int kNoSuchService = 5;  // LSB: the program is not installed
constexpr int kDoesNotRun = 77;    // ours
/// $1 = stop or start, $2 = the service. What has no "status" is taken as running.
constexpr const char* kScript = R"(
th_script=/etc/init.d/$2
if [ -d /run/systemd/system ]; then
  systemctl cat "$2" >/dev/null 2>&1 || exit 5
  if [ "$1" = stop ]; then systemctl --quiet is-active "$2" || exit 77; fi
  systemctl "$1" "$2" || exit 1
  exit 0
fi
[ -x "$th_script" ] || exit 5
if [ "$1" = stop ]; then
  "$th_script" status >/dev/null 2>&1
  [ $? -ne 3 ] || exit 77
fi
"$th_script" "$1" || exit 1
exit 0
)";

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= 128 && name.front() != '-' && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '@' || c == '.' || c == '_' || c == '-';
         });
}

Result<ExecOutcome> call(Kernel& kernel, const char* verb, const std::string& service) {
  ExecSpec spec;
  spec.argv = {"/bin/sh", "-c", kScript, "sh", verb, service};
  spec.environment = {{"PATH", kPath}, {"HOME", "/"}};
  spec.timeout = kPatience;
  return kernel.processes().run(spec);
}

std::string words_of(const ExecOutcome& outcome) {
  std::string said = outcome.err.empty() ? outcome.out : outcome.err;
  while (!said.empty() && said.back() == '\n') said.pop_back();
  std::replace(said.begin(), said.end(), '\n', ' ');
  return said;
}

Error refusal(ErrorCode code, const std::string& service, std::string_view why) {
  return fail(code, "migrate.services", "service " + service, why)
      .with_exit_code(to_int(MigrateExit::cannot_stop));
}

}  // namespace

Result<std::vector<std::string>> parse_services(std::string_view text) {
  std::vector<std::string> names;
  while (!text.empty()) {
    const std::size_t end = text.find_first_of(", ");
    const std::string name(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (name.empty()) continue;
    if (!is_name(name))
      return fail(ErrorCode::invalid_argument, "migrate.services", "\"" + name + "\"",
                  "is no name of a service")
          .with_exit_code(to_int(MigrateExit::usage))
          .with_hint("name them as systemctl or /etc/init.d do, separated by commas");
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

Status StoppedServices::stop(const std::string& service) {
  // From now on it may be down, whatever is said about it.
  names_.push_back(service);
  TH_ASSIGN(const ExecOutcome outcome, call(kernel_, "stop", service));
  if (outcome.status.success()) return {};
  const int code = outcome.status.shell_code();
  if (code == kDoesNotRun || code == kNoSuchService) names_.pop_back();
  if (code == kDoesNotRun) return {};
  if (code == kNoSuchService)
    return refusal(ErrorCode::not_found, service, "is not known on the machine")
        .with_hint("see there: systemctl list-units --type=service, or ls /etc/init.d");
  return refusal(ErrorCode::failed, service,
                 fmt::format("cannot be stopped, exit code {}: {}", code, words_of(outcome)));
}

Status StoppedServices::start_again() {
  Status first;
  while (!names_.empty()) {
    const std::string service = names_.back();
    const auto outcome = call(kernel_, "start", service);
    if (!outcome && outcome.error().code == ErrorCode::node_down) return outcome.error();
    names_.pop_back();
    if (outcome && outcome->status.success()) continue;
    if (!first) continue;
    first = outcome ? refusal(ErrorCode::failed, service,
                              fmt::format("does not start again, exit code {}: {}",
                                          outcome->status.shell_code(), words_of(*outcome)))
                    : refusal(ErrorCode::failed, service, "cannot be started again")
                          .caused_by(outcome.error());
  }
  return first;
}

}  // namespace twinhull::physical
