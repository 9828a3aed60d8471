#include "runtime/node/log.h"

#include <boost/test/unit_test.hpp>
#include <chrono>

#include "runtime/node/exit_codes.h"

namespace twinhull {
namespace {

using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(node_messages)

BOOST_AUTO_TEST_CASE(a_log_line_has_the_form_of_the_specification) {
  const WallTime at = std::chrono::sys_days{std::chrono::year{2012} / 1 / 31} + 12h + 1min + 2s;
  BOOST_TEST(log_line(at, "vzctl", CtId{101}, "Container is mounted") ==
             "2012-01-31T12:01:02+0000 vzctl : CT 101 : Container is mounted\n");
  BOOST_TEST(log_line(at + 999ms, "vzctl", std::nullopt, "two\nlines\n") ==
             "2012-01-31T12:01:02+0000 vzctl : two lines\n");
}

BOOST_AUTO_TEST_CASE(the_first_stated_exit_code_wins_over_the_kind_of_error) {
  Error lower = fail(ErrorCode::no_space, "files.write", "/a", "").with_exit_code(48);
  Error upper = fail(ErrorCode::failed, "x", "y", "z").caused_by(lower);
  BOOST_TEST(exit_code_for(upper) == 48);
  BOOST_TEST(exit_code_for(fail(ErrorCode::no_space, "", "", "")) == 46);
  BOOST_TEST(exit_code_for(fail(ErrorCode::in_progress, "", "", "")) == 9);
  BOOST_TEST(exit_code_for(fail(ErrorCode::input_output, "", "", "")) == 3);
  BOOST_TEST(with_default_exit_code(upper, ExitCode::cannot_mount).exit_code == 0);
  BOOST_TEST(exit_code_for(with_default_exit_code(fail(ErrorCode::failed, "", "", ""),
                                                  ExitCode::cannot_mount)) == 50);
}

BOOST_AUTO_TEST_CASE(every_code_that_the_specification_names_has_a_meaning) {
  for (const int code : {0,  1,  2,  3,  8,  9,  10, 14, 15,  19,  20,  21,  29,  31,  32,
                         33, 34, 40, 41, 43, 44, 46, 47, 48,  50,  51,  62,  70,  71,  72,
                         73, 74, 77, 78, 79, 82, 85, 91, 105, 107, 108, 133, 137, 139, 146})
    BOOST_TEST(describe_exit_code(code) != "unknown exit code", "code " << code);
  BOOST_TEST(describe_exit_code(255) == "unknown exit code");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull
