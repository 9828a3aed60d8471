// Charts as inline SVG. Colours come from the page's style variables.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "scenarios/engine/report.h"

namespace twinhull::scenario {

/// Steps, container lifetimes by node, and faults over simulated time.
std::string timeline_svg(const ScenarioReport& report);

/// CPU of one node over a recording: demand, delivered and throttled, in CPUs.
std::string node_load_svg(const Recording& recording, const std::string& node);

/// A small line of one container's demand and delivery.
std::string sparkline_svg(const ContainerSeries& series, Duration every);

}  // namespace twinhull::scenario
