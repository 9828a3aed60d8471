#include "tools/vzlist/output.h"

#include <boost/test/unit_test.hpp>

#include "tools/vzlist/options.h"

namespace twinhull::tools::list {
namespace {

struct Fixture {
  std::vector<Row> rows;
  std::vector<Selected> selected;

  Fixture() {
    Row running;
    running.id = CtId{101};
    running.status = Status::running;
    running.init = ProcessRef{10, 1};
    running.settings.emplace();
    running.settings->hostname = "web.example";
    running.settings->name = "web";
    running.settings->physpages = BarrierLimit{100, 200};
    running.settings->beancounters["numproc"] = {50, kUnlimited};
    running.settings->diskspace = BarrierLimit{1000, 2000};
    running.settings->onboot = true;
    running.settings->addresses = {*IpPrefix::parse("10.0.0.9"), *IpPrefix::parse("10.0.0.1/24")};
    running.sample.emplace();
    running.sample->pids = 7;
    running.sample->memory.usage = Bytes{8192};
    running.sample->memory.peak = Bytes{12288};
    running.usage = TreeUsage{Bytes{2049}, Inodes{5}, {}};
    running.addresses = {"10.0.0.9", "10.0.0.1"};
    running.uptime = seconds(90061);
    rows.push_back(running);
    Row stopped;
    stopped.id = CtId{200};
    stopped.settings.emplace();
    stopped.settings->hostname = "a-very-long-host-name-that-does-not-fit.example";
    rows.push_back(stopped);
  }
  void select(const std::vector<std::string>& fields) {
    selected.clear();
    for (const auto& field : fields) selected.push_back(find_column(field).value());
  }
  std::string plain(const std::vector<std::string>& fields, bool trim = true) {
    select(fields);
    return table(rows, selected, {.header = false, .trim = trim});
  }
};

BOOST_FIXTURE_TEST_SUITE(vzlist_output, Fixture)

BOOST_AUTO_TEST_CASE(the_default_table) {
  select({"ctid", "numproc", "status", "ip", "hostname"});
  BOOST_TEST(table(rows, selected, {}) ==
             "      CTID      NPROC STATUS    IP_ADDR         HOSTNAME\n"
             "       101          7 running   10.0.0.9        web.example\n"
             "       200          - stopped   -               "
             "a-very-long-host-name-that-does-not-fit.example\n");
}

BOOST_AUTO_TEST_CASE(long_values_are_cut_but_not_in_the_last_column) {
  rows.erase(rows.begin());
  BOOST_TEST(plain({"hostname", "ctid"}) == "a-very-long-host-name-that-does-        200\n");
  BOOST_TEST(plain({"hostname", "ctid"}, false) ==
             "a-very-long-host-name-that-does-not-fit.example        200\n");
}

BOOST_AUTO_TEST_CASE(lists_show_all_parts_in_the_last_column) {
  rows.pop_back();
  BOOST_TEST(plain({"ip", "ctid"}) == "10.0.0.9               101\n");
  BOOST_TEST(plain({"ctid", "configured_ip"}) == "       101 10.0.0.9 10.0.0.1/24\n");
}

BOOST_AUTO_TEST_CASE(parts_of_counters) {
  BOOST_TEST(plain({"physpages", "physpages.m", "physpages.b", "physpages.l", "physpages.f"}) ==
             "         2          3        100        200          0\n"
             "         -          -          -          -          -\n");
  BOOST_TEST(plain({"numproc.l"}) == " unlimited\n         -\n");
  BOOST_TEST(plain({"diskspace", "diskspace.s", "diskspace.h"}) ==
             "         3       1000       2000\n         -          -          -\n");
}

BOOST_AUTO_TEST_CASE(time_and_switches) {
  BOOST_TEST(plain({"uptime"}) == "001d01h:01m:01s\n              -\n");
  BOOST_TEST(plain({"onboot"}) == "yes\n-\n");
  BOOST_TEST(plain({"vswap"}) == "yes\nno\n");
}

BOOST_AUTO_TEST_CASE(nothing_draws_on_the_terminal) {
  rows.erase(rows.begin());
  rows[0].settings->description = "a\x1b[31mb\xC3\xBC";
  BOOST_TEST(plain({"description"}) == "a?[31mb\xC3\xBC\n");
}

BOOST_AUTO_TEST_CASE(json_has_the_types_of_the_specification) {
  select({"ctid", "status", "ip", "numproc", "diskspace", "uptime", "onboot", "name", "laverage"});
  rows.front().settings->beancounters["numproc"].barrier = 50;
  BOOST_TEST(json(rows, selected) == R"([
  {
    "ctid": 101,
    "status": "running",
    "ip": [
      "10.0.0.9",
      "10.0.0.1"
    ],
    "numproc": {
      "held": 7,
      "maxheld": null,
      "barrier": 50,
      "limit": 9223372036854775807,
      "failcnt": 0
    },
    "diskspace": {
      "usage": 3,
      "softlimit": 1000,
      "hardlimit": 2000
    },
    "uptime": 90061.0,
    "onboot": true,
    "name": "web",
    "laverage": null
  },
  {
    "ctid": 200,
    "status": "stopped",
    "ip": null,
    "numproc": {
      "held": 0,
      "maxheld": 0,
      "barrier": null,
      "limit": null,
      "failcnt": 0
    },
    "diskspace": {
      "usage": null,
      "softlimit": null,
      "hardlimit": null
    },
    "uptime": null,
    "onboot": null,
    "name": null,
    "laverage": null
  }
]
)");
}

BOOST_AUTO_TEST_CASE(bytes_that_are_no_text_do_not_break_json) {
  rows.erase(rows.begin());
  rows[0].settings->description = "\xff\xfe";
  select({"description"});
  BOOST_TEST(json(rows, selected).find("\xEF\xBF\xBD") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(unknown_fields_get_a_hint) {
  const auto unknown = find_column("hostnam");
  BOOST_TEST_REQUIRE(!unknown.has_value());
  BOOST_TEST(unknown.error().exit_code == 20);
  BOOST_TEST(unknown.error().hint.find("hostname") != std::string::npos);
  BOOST_TEST(find_column("numproc.x").error().hint.find(".m") != std::string::npos);
  BOOST_TEST(!find_column("ctid.l").has_value());
  BOOST_TEST(!find_column("").has_value());
  BOOST_TEST(find_column("veid").value().column->name == "ctid");
}

BOOST_AUTO_TEST_CASE(order) {
  BOOST_TEST(less(Value{}, Value{std::uint64_t{0}}));
  BOOST_TEST(less(Value{std::uint64_t{9}}, Value{std::uint64_t{10}}));
  BOOST_TEST(less(Value{std::string("10")}, Value{std::string("9")}));
  BOOST_TEST(!less(Value{}, Value{}));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(vzlist_options)

Result<Options> parse(std::vector<std::string> words) {
  words.insert(words.begin(), "vzlist");
  return parse_options(words);
}

BOOST_AUTO_TEST_CASE(short_options_combine) {
  const auto options =
      parse({"-aHo", "ctid,ip", "-s", "-ip", "-h", "*.example", "101", "web"}).value();
  BOOST_TEST(options.all);
  BOOST_TEST(options.no_header);
  BOOST_TEST(options.fields.size() == 2U);
  BOOST_TEST(options.sort == "ip");
  BOOST_TEST(options.descending);
  BOOST_TEST(options.hostname_pattern.value() == "*.example");
  BOOST_TEST(options.containers.size() == 2U);
}

BOOST_AUTO_TEST_CASE(minus_one_is_numbers_alone) {
  const auto options = parse({"-1"}).value();
  BOOST_TEST(options.no_header);
  BOOST_REQUIRE_EQUAL(options.fields.size(), 1U);
  BOOST_TEST(options.fields[0] == "ctid");
  BOOST_TEST(parse({"-a1"}).value().all);
}

BOOST_AUTO_TEST_CASE(help_and_mistakes) {
  BOOST_TEST(!parse({"--help"}).value().help.empty());
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"--nonsense"}, {"-o"}, {"-o", ","}, {"-s", "-"}, {"-a", "-S"}}) {
    const auto options = parse(words);
    BOOST_TEST_REQUIRE(!options.has_value(), words[0]);
    BOOST_TEST(options.error().exit_code == 20);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::tools::list
