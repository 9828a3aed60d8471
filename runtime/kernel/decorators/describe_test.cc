#include "runtime/kernel/decorators/describe.h"

#include <boost/test/unit_test.hpp>

namespace twinhull::decorators {
namespace {

BOOST_AUTO_TEST_CASE(short_text_is_quoted_and_other_content_hashed) {
  BOOST_CHECK_EQUAL(describe(std::string("a \"b\"\n\\")), R"("a \"b\"\n\\")");
  BOOST_CHECK_EQUAL(describe(std::string()), "\"\"");
  BOOST_CHECK_EQUAL(describe(std::string(64, 'x')).size(), 66);
  const std::string large = describe(std::string(65, 'x'));
  BOOST_CHECK(large.starts_with("<65 B "));
  BOOST_CHECK(large != describe(std::string(65, 'y')));
  BOOST_CHECK(describe(std::string("\x01", 1)).starts_with("<1 B "));
}

BOOST_AUTO_TEST_CASE(values_are_separated_by_one_space) {
  std::string text;
  Describer{text}(std::uint64_t{1})(true)(std::string("x"));
  BOOST_CHECK_EQUAL(text, "1 true \"x\"");
}

BOOST_AUTO_TEST_CASE(amounts_and_lists_and_absent_values) {
  BOOST_CHECK_EQUAL(describe(Bytes{kUnlimited}), "unlimited");
  BOOST_CHECK_EQUAL(describe(Bytes{7}), "7");
  BOOST_CHECK_EQUAL(describe(std::optional<Bytes>()), "-");
  BOOST_CHECK_EQUAL(describe(std::vector<std::string>{"a", "b"}), "[\"a\" \"b\"]");
  BOOST_CHECK_EQUAL(describe(Duration(milliseconds(2))), "2000000ns");
  BOOST_CHECK_EQUAL(describe(Effect::changed), "changed");
}

BOOST_AUTO_TEST_CASE(values_of_the_ports) {
  BOOST_CHECK_EQUAL(describe(CpuQuota{milliseconds(1), milliseconds(2)}), "1000000ns/2000000ns");
  BOOST_CHECK_EQUAL(describe(MemoryLimit{{5}, {kUnlimited}}), "memory=5 swap=unlimited");
  BOOST_CHECK_EQUAL(describe(DeviceRule{'c', 1, std::nullopt, true, false, true}), "c 1:* rm");
  BOOST_CHECK_EQUAL(describe(Route{*IpPrefix::parse("::/0"), "eth0", IpAddress::parse("fe80::1")}),
                    "::/0 dev eth0 via fe80::1");
  BOOST_CHECK_EQUAL(describe(ExecOutcome{{true, 9}, "o", ""}), "signal 9 out=\"o\" err=\"\"");
  BOOST_CHECK_EQUAL(describe(TreeLimit{{1}, {2}}), "bytes=1 inodes=2");
  BOOST_CHECK_EQUAL(describe(NetScope::node()), "node");
  BOOST_CHECK_EQUAL(describe(NetScope::of({5, 77})), "pid:5");
  BOOST_CHECK_EQUAL(describe(FreezeState::frozen), "frozen");
  BOOST_CHECK_EQUAL(describe(TransferOptions{}), "rate=-");
  BOOST_CHECK_EQUAL(describe(TransferOptions{.compress = true,
                                             .changing = true,
                                             .update = true,
                                             .unchanged_before = WallTime(seconds(1)),
                                             .hollow = {"proc"}}),
                    "rate=- compress changing update unchanged_before=1000000000 hollow=proc");
  BOOST_CHECK_EQUAL(describe(HostUsage{{1}, {2}, 3, 4, seconds(5)}),
                    "memory=1 swap=2 processes=3 threads=4 cpu=5000000000");
}

// Two values that differ in one field must not look alike in a trace.
BOOST_AUTO_TEST_CASE(every_field_of_a_spawn_is_seen) {
  const SpawnSpec plain;
  std::vector<SpawnSpec> specs(10, plain);
  specs[0].root = "/r";
  specs[1].argv = {"a"};
  specs[2].environment = {{"a", "b"}};
  specs[3].hostname = "h";
  specs[4].cgroup = {"g"};
  specs[5].capabilities.mask = 1;
  specs[6].limits = {{ResourceLimit::Kind::open_files, 1, 2}};
  specs[7].seccomp = false;
  specs[8].user_namespace = IdMapping{};
  specs[9].console_log = "/c";
  for (std::size_t i = 0; i < specs.size(); ++i)
    BOOST_CHECK_MESSAGE(describe(specs[i]) != describe(plain), "field " << i << " is not shown");
}

BOOST_AUTO_TEST_CASE(hashes_are_those_of_xxh3) {
  BOOST_CHECK_EQUAL(hex16(hash_bytes("")), "2d06800538d394c2");
  BOOST_CHECK(hash_bytes("a", 1) != hash_bytes("a", 2));
}

}  // namespace
}  // namespace twinhull::decorators
