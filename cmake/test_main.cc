// The one place where Boost.Test's main is made, so that each test file compiles fast.
#define BOOST_TEST_MODULE twinhull
#include <boost/test/unit_test.hpp>
