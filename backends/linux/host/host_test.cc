#include "backends/linux/host/host.h"

#include <signal.h>
#include <unistd.h>

#include <thread>

#include <boost/test/unit_test.hpp>

#include "backends/linux/host/clock.h"
#include "backends/linux/host/proc_text.h"

using namespace twinhull;
using namespace twinhull::linux_backend;

BOOST_AUTO_TEST_SUITE(linux_host)

BOOST_AUTO_TEST_CASE(load_averages_are_exact_hundredths) {
  const auto load = parse_load("0.51 1.02 12.00 2/300 4711\n");
  BOOST_REQUIRE(load);
  BOOST_TEST(load->hundredths[0] == 51U);
  BOOST_TEST(load->hundredths[1] == 102U);
  BOOST_TEST(load->hundredths[2] == 1200U);
  for (const char* text : {"", "1.0", "1.0 2.0", "a b c d", "1.0 2.0 3.0"})
    BOOST_TEST(!parse_load(text), text);
}

BOOST_AUTO_TEST_CASE(megahertz_are_rounded_and_may_be_missing) {
  BOOST_TEST(parse_cpu_mhz("processor\t: 0\ncpu MHz\t\t: 2399.998\ncache") == 2400U);
  BOOST_TEST(parse_cpu_mhz("cpu MHz\t\t: 2400.4\n") == 2400U);
  BOOST_TEST(parse_cpu_mhz("Hardware: x\n") == 0U);
  BOOST_TEST(parse_cpu_features("cpu MHz : 1\nflags\t\t: sse2 fpu sse2\nflags : other\n") ==
                 (std::vector<std::string>{"fpu", "sse2"}),
             boost::test_tools::per_element());
  BOOST_TEST(parse_cpu_features("Hardware: x\n").empty());
  BOOST_TEST(parse_cpu_mhz("cpu MHz") == 0U);
}

BOOST_AUTO_TEST_CASE(consumption_is_read_from_the_texts_of_proc) {
  constexpr auto kMemory = "MemTotal:  2048 kB\nMemAvailable:\t512 kB\nHugePages_Total: 3\n";
  BOOST_TEST((parse_meminfo(kMemory, "MemTotal") == Bytes{2048 * 1024}));
  BOOST_TEST((parse_meminfo(kMemory, "MemAvailable") == Bytes{512 * 1024}));
  BOOST_TEST(!parse_meminfo(kMemory, "Mem"));
  BOOST_TEST(!parse_meminfo(kMemory, "HugePages_Total"));
  BOOST_TEST((parse_cpu_time("cpu  100 20 30 9999 8888 4 5 61 7 8\ncpu0 1", 100) ==
              milliseconds(2200)));
  BOOST_TEST(!parse_cpu_time("cpu  100 20 30 9999", 100));
  BOOST_TEST(!parse_cpu_time("intr 1 2 3 4 5 6 7 8", 100));
  BOOST_TEST(!parse_cpu_time("cpu  1 2 3 4 5 6 7 8", 0));
  BOOST_TEST((parse_threads("0.51 1.02 12.00 2/300 4711\n") == 300U));
  BOOST_TEST(!parse_threads("0.51 1.02 12.00"));
  BOOST_TEST(!parse_threads("0.51 1.02 12.00 2/"));
}

BOOST_AUTO_TEST_CASE(the_clock_advances_by_what_was_slept) {
  const NodeOptions options;
  const auto clock = make_clock(options);
  const Instant before = clock->now();
  BOOST_REQUIRE(clock->sleep(milliseconds(150)));
  BOOST_TEST((clock->now() - before >= milliseconds(150)));
  BOOST_REQUIRE(clock->sleep(milliseconds(-5)));
}

BOOST_AUTO_TEST_CASE(a_wish_to_stop_interrupts_one_sleep) {
  std::atomic<bool> stop = false;
  NodeOptions options;
  options.stop = &stop;
  const auto clock = make_clock(options);
  std::jthread wisher([&stop] {
    std::this_thread::sleep_for(milliseconds(50));
    stop = true;
  });
  const Instant before = clock->now();
  const auto slept = clock->sleep(seconds(20));
  BOOST_REQUIRE(!slept);
  BOOST_TEST((slept.error().code == ErrorCode::interrupted));
  BOOST_TEST((clock->now() - before < seconds(10)));
  BOOST_REQUIRE(clock->sleep(milliseconds(1)));
}

BOOST_AUTO_TEST_SUITE_END()
