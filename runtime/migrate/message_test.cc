#include "runtime/migrate/message.h"

#include <boost/test/unit_test.hpp>

#include "runtime/migrate/checks.h"
#include "runtime/migrate/exit_codes.h"
#include "runtime/migrate/receipt.h"

namespace twinhull::migrate {
namespace {

BOOST_AUTO_TEST_SUITE(migrate_message)

BOOST_AUTO_TEST_CASE(a_message_survives_its_text) {
  Message message{.type = "begin",
                  .fields = {{"ctid", "101"}, {"empty", ""}, {"quote", "\"\n"}},
                  .attachments = {{"config", 0644, "abc"}, {"mount", 0755, ""}},
                  .problems = {{12, "address"}}};
  const auto back = parse_message(message_text(message));
  BOOST_TEST_REQUIRE(back.has_value());
  message.attachments[0].content = std::string(3, '\0');  // the content travels by itself
  BOOST_TEST((*back == message));
}

BOOST_AUTO_TEST_CASE(garbage_is_refused) {
  const std::string good = message_text({.type = "hello"});
  std::vector<std::string> bad = {
      "",
      "hello",
      "[]",
      "{}",
      "null",
      R"({"version":OURS})",
      R"({"version":1,"type":"x","fields":{},"attachments":[],"problems":[]})",
      R"({"version":OURS,"type":5,"fields":{},"attachments":[],"problems":[]})",
      R"({"version":OURS,"type":"x","fields":{"a":1},"attachments":[],"problems":[]})",
      R"({"version":OURS,"type":"x","fields":{},"attachments":[{}],"problems":[]})",
      R"({"version":OURS,"type":"x","fields":{},"attachments":[{"name":"../x","mode":1,"bytes":1}],"problems":[]})",
      R"({"version":OURS,"type":"x","fields":{},"attachments":[{"name":"x","mode":9999,"bytes":1}],"problems":[]})",
      R"({"version":OURS,"type":"x","fields":{},"attachments":[{"name":"x","mode":1,"bytes":-1}],"problems":[]})",
      R"({"version":OURS,"type":"x","fields":{},"attachments":[{"name":"x","mode":1,"bytes":99999999}],"problems":[]})",
      R"({"version":OURS,"type":"x","fields":{},"attachments":[],"problems":[{"exit":-1,"text":""}]})"};
  // So that their version is not what they are refused for.
  for (std::string& text : bad)
    if (const std::size_t at = text.find("OURS"); at != std::string::npos)
      text.replace(at, 4, std::to_string(kProtocolVersion));
  for (std::size_t i = 1; i < good.size(); ++i) bad.push_back(good.substr(0, i));
  for (const std::string& text : bad) {
    const auto parsed = parse_message(text);
    BOOST_TEST_REQUIRE(!parsed.has_value(), text);
    BOOST_TEST((parsed.error().code == ErrorCode::protocol));
    BOOST_TEST(migrate_exit_code(parsed.error()) == 26);
  }
}

BOOST_AUTO_TEST_CASE(another_version_is_named) {
  const auto parsed =
      parse_message(R"({"version":7,"type":"x","fields":{},"attachments":[],"problems":[]})");
  BOOST_TEST_REQUIRE(!parsed.has_value());
  BOOST_TEST(parsed.error().message().find("version 7") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(errors_travel_with_their_codes) {
  const Error own = fail(ErrorCode::exists, "migrate.begin", "CT 101", "is there")
                        .with_exit_code(to_int(MigrateExit::exists));
  const Error back = peer_error(error_message(own), "n2");
  BOOST_TEST((back.code == ErrorCode::exists));
  BOOST_TEST(migrate_exit_code(back) == 9);
  BOOST_TEST(back.message().find("is there") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_vzctl_code_is_no_vzmigrate_code) {
  // 9 is "locked" for vzctl and "exists at the destination" for vzmigrate.
  const Error locked = fail(ErrorCode::in_progress, "lock", "CT 101", "locked").with_exit_code(9);
  BOOST_TEST(migrate_exit_code(locked) == to_int(MigrateExit::locked));
  BOOST_TEST(migrate_exit_code(peer_error(error_message(locked), "n2")) ==
             to_int(MigrateExit::locked));
  const Error stage =
      stage_error(MigrateExit::cannot_stop, "CT 101", "cannot be stopped",
                  fail(ErrorCode::busy, "container.stop", "CT 101", "busy").with_exit_code(33));
  BOOST_TEST(migrate_exit_code(stage) == to_int(MigrateExit::cannot_stop));
  BOOST_TEST(migrate_exit_code(stage_error(MigrateExit::copy_failed, "CT 101", "copy",
                                           fail(ErrorCode::connection_lost, "channels.send", "n2",
                                                ""))) == to_int(MigrateExit::connection_broken));
}

BOOST_AUTO_TEST_CASE(an_arrival_survives_its_message) {
  Arrival arrival;
  arrival.id = CtId{101};
  arrival.name = "web one";
  arrival.uuid = "u";
  arrival.architecture = "x86_64";
  arrival.addresses = {*IpPrefix::parse("10.0.0.1/24"), *IpPrefix::parse("2001:db8::1")};
  arrival.ostemplate = "debian-12-x86_64";
  arrival.area = Bytes{123456789};
  arrival.template_size = Bytes{1};
  const auto back = parse_arrival(arrival_message(arrival));
  BOOST_TEST_REQUIRE(back.has_value());
  BOOST_TEST((*back == arrival));
}

BOOST_AUTO_TEST_CASE(an_arrival_cannot_lead_out_of_its_places) {
  Arrival arrival;
  arrival.id = CtId{101};
  arrival.ostemplate = "busybox";
  Message good = arrival_message(arrival);
  BOOST_TEST(parse_arrival(good).has_value());
  for (const auto& [field, value] :
       std::vector<std::pair<std::string, std::string>>{{"ctid", "100"},
                                                        {"ctid", "../1"},
                                                        {"ctid", ""},
                                                        {"name", "a/b"},
                                                        {"name", ".."},
                                                        {"template", "../x"},
                                                        {"template", ""},
                                                        {"template", ".x"},
                                                        {"template", "a/b"},
                                                        {"addresses", "10.0.0.300"},
                                                        {"bytes", "-1"},
                                                        {"bytes", ""}}) {
    Message bad = good;
    bad.fields[field] = value;
    BOOST_TEST(!parse_arrival(bad).has_value(), field << "=" << value);
  }
}

BOOST_AUTO_TEST_CASE(tokens_are_plain) {
  BOOST_TEST(valid_token("101-abc_DEF-99"));
  for (const char* text : {"", ".", "..", "a/b", "a b", "a\n"}) BOOST_TEST(!valid_token(text));
  BOOST_TEST(!valid_token(std::string(161, 'a')));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::migrate
