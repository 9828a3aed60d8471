#include "runtime/resource/burst.h"

#include <boost/test/unit_test.hpp>

#include "runtime/resource/resources.h"

namespace {

using namespace twinhull;
using namespace twinhull::resource;

constexpr Duration kWindow = seconds(300);
constexpr ProcessRef kInit{100, 7};

Instant at(std::int64_t second) {
  return Instant(seconds(second));
}

/// A container that uses `percent` of one CPU, looked at each `interval` seconds.
struct Life {
  BurstRecord record;
  std::int64_t now = 1000;
  Duration used{0};
  void go_on(std::int64_t length, std::int64_t percent, std::int64_t interval = 60) {
    for (std::int64_t end = now + length; now < end; now += interval) {
      used += Duration(seconds(interval)) * percent / 100;
      take_reading(record, kInit, {at(now + interval), used}, kWindow);
    }
  }
  [[nodiscard]] std::uint64_t average() const { return average_use(record, kWindow).value(); }
};

CtSettings settings(std::uint64_t average, std::uint64_t limit, bool imposed = false) {
  CtSettings made;
  made.id = CtId{101};
  made.burst_average = average;
  made.burst_cpulimit = limit;
  if (imposed) made.burst_imposed = BurstImposed{6000, kWindow};
  return made;
}

BOOST_AUTO_TEST_SUITE(burst)

BOOST_AUTO_TEST_CASE(the_average_waits_for_a_whole_window) {
  Life life;
  life.go_on(300, 80);  // six readings, five minutes from the first to the last would be 360
  BOOST_TEST(!average_use(life.record, kWindow).has_value());
  life.go_on(60, 80);
  BOOST_TEST(life.average() == 8000U);
}

BOOST_AUTO_TEST_CASE(the_average_moves) {
  Life life;
  life.go_on(600, 100);
  BOOST_TEST(life.average() == 10000U);
  life.go_on(120, 0);
  BOOST_TEST(life.average() == 6000U);
  life.go_on(600, 0);
  BOOST_TEST(life.average() == 0U);
  BOOST_TEST(life.record.readings.size() == 6U);
}

BOOST_AUTO_TEST_CASE(frequent_looks_do_not_pile_up) {
  Life life;
  life.go_on(3600, 50, 1);
  BOOST_TEST(life.record.readings.size() < 80U);
  BOOST_TEST(life.average() == 5000U);
}

BOOST_AUTO_TEST_CASE(a_rare_look_is_an_average_over_a_longer_time) {
  Life life;
  life.go_on(7200, 30, 3600);
  BOOST_TEST(life.average() == 3000U);
}

BOOST_AUTO_TEST_CASE(a_clock_that_stood_still_adds_nothing) {
  BurstRecord record;
  take_reading(record, kInit, {at(10), seconds(1)}, kWindow);
  take_reading(record, kInit, {at(10), seconds(1)}, kWindow);
  BOOST_TEST(record.readings.size() == 1U);
  BOOST_TEST(!average_use(record, kWindow).has_value());
}

BOOST_AUTO_TEST_CASE(a_new_life_begins_anew) {
  Life life;
  life.go_on(600, 100);
  take_reading(life.record, ProcessRef{100, 8}, {at(2000), seconds(1)}, kWindow);
  BOOST_TEST(life.record.readings.size() == 1U);
  BOOST_CHECK(life.record.init == (ProcessRef{100, 8}));
  // The same init with less CPU time, or earlier: counters that began anew.
  take_reading(life.record, ProcessRef{100, 8}, {at(2060), seconds(0)}, kWindow);
  BOOST_TEST(life.record.readings.size() == 1U);
  take_reading(life.record, ProcessRef{100, 8}, {at(2000), seconds(5)}, kWindow);
  BOOST_TEST(life.record.readings.size() == 1U);
}

BOOST_AUTO_TEST_CASE(decisions_have_hysteresis) {
  using enum BurstDecision;
  const CtSettings free = settings(50, 20);
  const CtSettings held = settings(50, 20, true);
  BOOST_CHECK(decide_burst(free, std::nullopt) == keep);
  BOOST_CHECK(decide_burst(free, 5000) == keep);
  BOOST_CHECK(decide_burst(free, 5001) == impose);
  BOOST_CHECK(decide_burst(held, 5001) == keep);
  BOOST_CHECK(decide_burst(held, 4500) == keep);
  BOOST_CHECK(decide_burst(held, 4499) == release);
  BOOST_CHECK(decide_burst(held, std::nullopt) == keep);
  BOOST_CHECK(decide_burst(settings(0, 20), 9999) == keep);
  BOOST_CHECK(decide_burst(settings(50, 0), 9999) == keep);
  BOOST_CHECK(decide_burst(settings(0, 20, true), 9999) == release);
  BOOST_CHECK(decide_burst(settings(50, 0, true), std::nullopt) == release);
}

BOOST_AUTO_TEST_CASE(the_reference_is_the_limit_or_the_node) {
  HostInfo host;
  host.online_cpus = CpuSet{{0, 1, 2, 3}};
  host.cpu_mhz = 2000;
  CtSettings one = settings(50, 20);
  BOOST_TEST(burst_reference(one, host).value() == 400U);
  one.cpus = 2;
  BOOST_TEST(burst_reference(one, host).value() == 200U);
  one.cpulimit = CpuLimitSetting{CpuLimitSetting::Unit::megahertz, 1000};
  BOOST_TEST(burst_reference(one, host).value() == 50U);
  one.cpulimit = CpuLimitSetting{CpuLimitSetting::Unit::percent, 9000};
  one.cpus.reset();
  BOOST_TEST(burst_reference(one, host).value() == 400U);
}

BOOST_AUTO_TEST_CASE(the_smaller_limit_acts_while_it_is_imposed) {
  HostInfo host;
  host.online_cpus = CpuSet{{0, 1}};
  const auto quota = [&](const CtSettings& of) { return plan_resources(of, host).value().quota; };
  CtSettings one = settings(50, 20, true);
  BOOST_CHECK(quota(one) == to_quota(20));
  one.cpulimit = CpuLimitSetting{CpuLimitSetting::Unit::percent, 10};
  BOOST_CHECK(quota(one) == to_quota(10));
  one.cpulimit = CpuLimitSetting{CpuLimitSetting::Unit::percent, 80};
  BOOST_CHECK(quota(one) == to_quota(20));
  one.burst_imposed.reset();
  BOOST_CHECK(quota(one) == to_quota(80));
  one = settings(0, 20, true);
  BOOST_CHECK(quota(one) == std::nullopt);
}

BOOST_AUTO_TEST_CASE(the_state_survives_its_text) {
  Life life;
  life.go_on(600, 40);
  BurstState state;
  state.boot = "b-1";
  state.records[CtId{101}] = life.record;
  state.records[CtId{102}] = BurstRecord{{5, 9}, {}};
  const std::string text = burst_state_text(state);
  BOOST_CHECK(parse_burst_state(text) == state);
  // Whatever is cut off or touched is noticed, and never half believed.
  for (std::size_t size = 0; size < text.size(); ++size) {
    const auto cut = parse_burst_state(std::string_view(text).substr(0, size));
    BOOST_TEST((!cut || cut->records.size() < 2 || *cut == state));
  }
  for (const char* bad :
       {"", "twinhull-burst 2\nboot x\n", "twinhull-burst 1\n", "twinhull-burst 1\nboot x\n101 1\n",
        "twinhull-burst 1\nboot x\n101 1 2 5\n", "twinhull-burst 1\nboot x\n101 1 2 5:1 5:2\n",
        "twinhull-burst 1\nboot x\n101 1 2 -5:1\n", "twinhull-burst 1\nboot x\n101 1 2\n101 1 2\n",
        "twinhull-burst 1\nboot x\n101 1 2 5:7 6:6\n"})
    BOOST_TEST(!parse_burst_state(bad).has_value(), bad);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
