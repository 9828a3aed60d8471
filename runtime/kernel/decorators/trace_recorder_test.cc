#include "runtime/kernel/decorators/trace_recorder.h"

#include <boost/test/unit_test.hpp>

#include "runtime/kernel/clock.h"
#include "runtime/kernel/decorators/hook.h"

namespace twinhull {
namespace {

using decorators::Hook;

Status write(Hook& hook, const std::string& path, const std::string& content,
             std::optional<ErrorCode> error = std::nullopt) {
  return hook.call(
      "files.write", path,
      [&]() -> Status {
        if (error) return fail(*error, "files.write", path, "made up");
        return {};
      },
      content);
}
Result<Bytes> size(Hook& hook, std::uint64_t bytes) {
  return hook.call("files.size", "/a", [&]() -> Result<Bytes> { return Bytes{bytes}; });
}

Recording record(const std::vector<std::string>& contents, TraceOptions options = {}) {
  TraceRecorder recorder(options);
  Hook hook(recorder);
  for (const std::string& content : contents) (void)write(hook, "/a", content);
  return recorder.recording();
}

BOOST_AUTO_TEST_CASE(calls_are_kept_with_their_results) {
  TraceRecorder recorder;
  Hook hook(recorder);
  (void)write(hook, "/a", "x");
  (void)write(hook, "/b", "y", ErrorCode::no_space);
  (void)size(hook, 42);
  const Recording recording = recorder.recording();
  BOOST_REQUIRE_EQUAL(recording.records.size(), 3);
  BOOST_CHECK_EQUAL(recording.records[0].text(), "files.write /a \"x\" -> ok");
  BOOST_CHECK_EQUAL(recording.records[1].text(), "files.write /b \"y\" -> no_space");
  BOOST_CHECK_EQUAL(recording.records[2].text(), "files.size /a -> 42");
  BOOST_CHECK_EQUAL(recording.records[2].sequence, 3);
  BOOST_CHECK_EQUAL(recorder.count(), 3);
}

BOOST_AUTO_TEST_CASE(equal_runs_have_equal_digests_and_others_do_not) {
  const Recording one = record({"x", "y"});
  BOOST_CHECK(one == record({"x", "y"}));
  BOOST_CHECK(one.digest != record({"x", "z"}).digest);
  BOOST_CHECK(one.digest != record({"y", "x"}).digest);
  BOOST_CHECK(one.digest != record({"x"}).digest);
  BOOST_CHECK_EQUAL(record({}).digest, 0);
}

BOOST_AUTO_TEST_CASE(the_digest_is_the_same_on_every_machine) {
  BOOST_CHECK_EQUAL(decorators::hex16(record({"x", "y"}).digest), "8ec40406e75ce9df");
}

BOOST_AUTO_TEST_CASE(the_newest_records_are_kept_and_the_digest_covers_all) {
  TraceOptions options;
  options.keep = 2;
  const Recording bounded = record({"a", "b", "c", "d"}, options);
  BOOST_CHECK_EQUAL(bounded.count, 4);
  BOOST_CHECK_EQUAL(bounded.dropped(), 2);
  BOOST_REQUIRE_EQUAL(bounded.records.size(), 2);
  BOOST_CHECK_EQUAL(bounded.records[0].arguments, "\"c\"");
  BOOST_CHECK_EQUAL(bounded.digest, record({"a", "b", "c", "d"}).digest);
  options.keep = 0;
  BOOST_CHECK(record({"a"}, options).records.empty());
}

BOOST_AUTO_TEST_CASE(without_details_only_names_and_codes_count) {
  TraceOptions options;
  options.details = false;
  BOOST_CHECK(record({"x"}, options) == record({"y"}, options));
}

BOOST_AUTO_TEST_CASE(a_clock_stamps_the_records) {
  class Ticking final : public Clock {
   public:
    Instant now() override { return Instant(Duration(time++)); }
    WallTime wall() override { return {}; }
    Status sleep(Duration) override { return {}; }
    int time = 5;
  } clock;
  TraceOptions options;
  options.clock = &clock;
  const Recording first = record({"x", "x"}, options);
  BOOST_CHECK(first.records[0].at == Instant(Duration(5)));
  BOOST_CHECK(first.records[1].at == Instant(Duration(6)));
  BOOST_CHECK(first.digest != record({"x", "x"}, options).digest);
}

BOOST_AUTO_TEST_CASE(a_recording_survives_its_file_form) {
  TraceRecorder recorder;
  Hook hook(recorder);
  (void)write(hook, "/with\ttab\nand \\", "line 1\nline 2\t\"quoted\"");
  (void)write(hook, "/b", std::string(1000, '\0'), ErrorCode::quota_exceeded);
  const Recording recording = recorder.recording();
  const auto loaded = Recording::load(recording.save());
  BOOST_REQUIRE(loaded.has_value());
  BOOST_CHECK(*loaded == recording);
}

BOOST_AUTO_TEST_CASE(what_is_no_recording_is_refused) {
  const std::string good = record({"x", "y"}).save();
  BOOST_CHECK(Recording::load("").error().code == ErrorCode::protocol);
  BOOST_CHECK(Recording::load("hello\n").error().code == ErrorCode::protocol);
  BOOST_CHECK(Recording::load("twinhull-trace 12 0 0\n").error().code == ErrorCode::protocol);
  BOOST_CHECK(Recording::load("twinhull-trace 1 x 0\n").error().code == ErrorCode::corrupt);
  BOOST_CHECK(Recording::load("twinhull-trace 1 1\n").error().code == ErrorCode::corrupt);
  BOOST_CHECK(Recording::load(good.substr(0, good.rfind("end "))).error().code ==
              ErrorCode::corrupt);
  BOOST_CHECK(Recording::load(good + "more\n").error().code == ErrorCode::corrupt);
  std::string altered = good;
  altered[altered.find("\"x\"") + 1] = 'z';
  BOOST_CHECK(Recording::load(altered).error().code == ErrorCode::corrupt);
  // Every single wrong byte is noticed.
  for (std::size_t i = 0; i < good.size(); ++i) {
    altered = good;
    altered[i] = static_cast<char>(altered[i] ^ 1);
    const auto loaded = Recording::load(altered);
    BOOST_CHECK_MESSAGE(!loaded, "byte " << i << " was altered unnoticed");
  }
}

BOOST_AUTO_TEST_CASE(the_first_difference_is_named) {
  const Recording expected = record({"x", "y", "z"});
  BOOST_CHECK(!first_difference(expected, expected).has_value());
  BOOST_CHECK_EQUAL(first_difference(expected, record({"x", "Y", "Z"})).value(),
                    "call 2: expected files.write /a \"y\" -> ok, got files.write /a \"Y\" -> ok");
  BOOST_CHECK_EQUAL(first_difference(expected, record({"x", "y"})).value(),
                    "call 3 is missing: expected files.write /a \"z\" -> ok");
  BOOST_CHECK_EQUAL(first_difference(expected, record({"x", "y", "z", "a"})).value(),
                    "call 4 is one too many: files.write /a \"a\" -> ok");
}

BOOST_AUTO_TEST_CASE(differences_among_dropped_calls_are_noticed) {
  TraceOptions options;
  options.keep = 1;
  const auto difference =
      first_difference(record({"x", "z"}, options), record({"y", "z"}, options));
  BOOST_CHECK_EQUAL(difference.value(), "the first 1 calls, which were not kept, differ");
  BOOST_CHECK(first_difference(record({"x"}, options), record({"x", "y", "z"}, options)));
}

BOOST_AUTO_TEST_CASE(a_replay_is_checked_while_it_runs) {
  ReplayCheck check(record({"x", "y"}));
  Hook hook(check);
  (void)write(hook, "/a", "x");
  BOOST_CHECK(!check.difference().has_value());
  BOOST_CHECK_EQUAL(check.finish().value(),
                    "call 2 is missing: expected files.write /a \"y\" -> ok");
  (void)write(hook, "/a", "y");
  BOOST_CHECK(!check.finish().has_value());
  (void)write(hook, "/a", "z");
  BOOST_CHECK_EQUAL(check.finish().value(), "call 3 is one too many: files.write /a \"z\" -> ok");
}

BOOST_AUTO_TEST_CASE(a_replay_keeps_the_first_difference) {
  ReplayCheck check(record({"x", "y", "z"}));
  Hook hook(check);
  (void)write(hook, "/a", "x");
  (void)write(hook, "/a", "y", ErrorCode::busy);
  (void)write(hook, "/b", "z");
  BOOST_CHECK(check.difference().value().starts_with("call 2: expected "));
}

BOOST_AUTO_TEST_CASE(a_replay_needs_a_whole_recording) {
  TraceOptions options;
  options.keep = 1;
  BOOST_CHECK(ReplayCheck(record({"x", "y"}, options)).difference().has_value());
}

BOOST_AUTO_TEST_CASE(clear_begins_anew) {
  TraceRecorder recorder;
  Hook hook(recorder);
  (void)size(hook, 1);
  recorder.clear();
  BOOST_CHECK_EQUAL(recorder.count(), 0);
  BOOST_CHECK_EQUAL(recorder.digest(), 0);
}

}  // namespace
}  // namespace twinhull
