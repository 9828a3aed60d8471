#include "runtime/kernel/error.h"

#include <boost/test/unit_test.hpp>
#include <set>

#include "runtime/kernel/result.h"

namespace twinhull {
namespace {

constexpr auto kLast = static_cast<std::size_t>(ErrorCode::input_output);

Result<int> half(int number) {
  if (number % 2 != 0) return fail(ErrorCode::invalid_argument, "test.half", "7", "it is odd");
  return number / 2;
}
Result<int> quarter(int number) {
  TH_ASSIGN(const int once, half(number));
  TH_ASSIGN(const int twice, half(once));
  return twice;
}
Status check_even(int number) {
  TH_TRY(half(number));
  return {};
}

BOOST_AUTO_TEST_CASE(every_code_has_a_name_of_its_own_that_parses_back) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i <= kLast; ++i) {
    const auto code = static_cast<ErrorCode>(i);
    names.insert(to_string(code));
    BOOST_CHECK(parse_error_code(to_string(code)) == code);
  }
  BOOST_CHECK_EQUAL(names.size(), kLast + 1);
  BOOST_CHECK(!parse_error_code("").has_value());
  BOOST_CHECK(!parse_error_code("NOT_FOUND").has_value());
  BOOST_CHECK(!parse_error_code("not found").has_value());
}

BOOST_AUTO_TEST_CASE(the_message_names_object_cause_amounts_and_way_out) {
  const Error error = fail(ErrorCode::quota_exceeded, "files.write", "/vz/private/101", "disk full")
                          .with_amounts(10, 95, 100)
                          .with_hint("raise DISKSPACE");
  BOOST_CHECK_EQUAL(error.message(),
                    "/vz/private/101: disk full (requested 10, in use 95, limit 100) "
                    "[files.write]; raise DISKSPACE");
}

BOOST_AUTO_TEST_CASE(the_message_without_detail_says_the_code) {
  BOOST_CHECK_EQUAL(fail(ErrorCode::not_found, "files.read", "/x", "").message(),
                    "/x: not found [files.read]");
}

BOOST_AUTO_TEST_CASE(the_message_shows_the_chain_of_causes) {
  const Error error = fail(ErrorCode::failed, "container.start", "CT 101", "cannot mount")
                          .caused_by(fail(ErrorCode::busy, "mounts.overlay", "/vz/root/101",
                                          "something is mounted there"));
  BOOST_CHECK_EQUAL(
      error.message(),
      "CT 101: cannot mount: /vz/root/101: something is mounted there [mounts.overlay]");
  BOOST_REQUIRE(error.cause);
  BOOST_CHECK(error.cause->code == ErrorCode::busy);
}

BOOST_AUTO_TEST_CASE(an_injected_error_says_so) {
  Error error = fail(ErrorCode::input_output, "files.sync", "/x", "the disk failed");
  error.injected = true;
  BOOST_CHECK(error.message().find("[injected]") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(numbers_of_the_kernel_and_of_the_command_are_kept) {
  const Error error = fail(ErrorCode::not_permitted, "mounts.bind", "/x", "refused")
                          .with_errno(1)
                          .with_exit_code(3);
  BOOST_CHECK_EQUAL(error.sys_errno, 1);
  BOOST_CHECK_EQUAL(error.exit_code, 3);
}

BOOST_AUTO_TEST_CASE(the_macros_hand_errors_up_and_values_on) {
  BOOST_CHECK_EQUAL(*quarter(12), 3);
  BOOST_CHECK(quarter(6).error().code == ErrorCode::invalid_argument);
  BOOST_CHECK(check_even(2).has_value());
  BOOST_CHECK_EQUAL(check_even(3).error().detail, "it is odd");
}

}  // namespace
}  // namespace twinhull
