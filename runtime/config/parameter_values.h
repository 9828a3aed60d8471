// Value parsers of the parameter table, one a parameter (private to runtime/config).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "runtime/config/parameter.h"

namespace twinhull::parameter_values {

using Values = std::span<const std::string>;
using Changes = Result<std::vector<KeyChange>>;

Changes cpuunits(const Parameter& self, Values values, const ParameterContext& context);
Changes cpulimit(const Parameter& self, Values values, const ParameterContext& context);
Changes burst_average(const Parameter& self, Values values, const ParameterContext& context);
Changes burst_cpulimit(const Parameter& self, Values values, const ParameterContext& context);
Changes cpus(const Parameter& self, Values values, const ParameterContext& context);
Changes cpumask(const Parameter& self, Values values, const ParameterContext& context);
Changes ram(const Parameter& self, Values values, const ParameterContext& context);
Changes swap(const Parameter& self, Values values, const ParameterContext& context);
Changes nodemask(const Parameter& self, Values values, const ParameterContext& context);
Changes numproc(const Parameter& self, Values values, const ParameterContext& context);
/// Any parameter of spec R10 whose option is its name there.
Changes beancounter(const Parameter& self, Values values, const ParameterContext& context);
Changes vm_overcommit(const Parameter& self, Values values, const ParameterContext& context);
Changes diskspace(const Parameter& self, Values values, const ParameterContext& context);
Changes diskinodes(const Parameter& self, Values values, const ParameterContext& context);
Changes ioprio(const Parameter& self, Values values, const ParameterContext& context);
Changes iolimit(const Parameter& self, Values values, const ParameterContext& context);
Changes iopslimit(const Parameter& self, Values values, const ParameterContext& context);
Changes ipadd(const Parameter& self, Values values, const ParameterContext& context);
Changes ipdel(const Parameter& self, Values values, const ParameterContext& context);
Changes hostname(const Parameter& self, Values values, const ParameterContext& context);
Changes nameserver(const Parameter& self, Values values, const ParameterContext& context);
Changes searchdomain(const Parameter& self, Values values, const ParameterContext& context);
Changes name(const Parameter& self, Values values, const ParameterContext& context);
Changes description(const Parameter& self, Values values, const ParameterContext& context);
Changes onboot(const Parameter& self, Values values, const ParameterContext& context);
Changes bootorder(const Parameter& self, Values values, const ParameterContext& context);
Changes autostop(const Parameter& self, Values values, const ParameterContext& context);
Changes yes_no(const Parameter& self, Values values, const ParameterContext& context);
Changes stop_timeout(const Parameter& self, Values values, const ParameterContext& context);
Changes template_name(const Parameter& self, Values values, const ParameterContext& context);
Changes capability(const Parameter& self, Values values, const ParameterContext& context);
Changes userpasswd(const Parameter& self, Values values, const ParameterContext& context);

}  // namespace twinhull::parameter_values
