// Words of the backend's tests.
#pragma once

#include <boost/test/unit_test.hpp>

#include "runtime/kernel/error.h"

/// The call must fail with this ErrorCode.
#define CHECK_CODE(expr, wanted)                                                             \
  do {                                                                                       \
    const auto outcome = (expr);                                                             \
    BOOST_REQUIRE(!outcome.has_value());                                                     \
    BOOST_TEST(to_string(outcome.error().code) == to_string(::twinhull::ErrorCode::wanted), \
               outcome.error().message());                                                   \
  } while (false)
