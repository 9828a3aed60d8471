#include "backends/linux/file/path.h"

#include <boost/test/unit_test.hpp>

using namespace twinhull;
using namespace twinhull::linux_backend;

BOOST_AUTO_TEST_SUITE(path)

BOOST_AUTO_TEST_CASE(paths_that_climb_or_are_relative_are_refused) {
  for (const std::string path : {"", "a", "a/b", "/..", "/a/../b", "/a/.."})
    BOOST_TEST((check_path("t", path).error().code == ErrorCode::invalid_argument), path);
  BOOST_TEST(!check_path("t", std::string("/a\0b", 4)));
  for (const std::string path : {"/", "/a", "/a/b", "/a..b", "/...", "//a//b/", "/a/./b"})
    BOOST_TEST(check_path("t", path).has_value(), path);
}

BOOST_AUTO_TEST_CASE(a_clean_path_has_one_slash_between_names) {
  BOOST_TEST(clean_path("//a///b/./c/") == "/a/b/c");
  BOOST_TEST(clean_path("/") == "/");
  BOOST_TEST(clean_path("///") == "/");
}

BOOST_AUTO_TEST_CASE(parents_and_names) {
  BOOST_TEST(parent_path("/a/b") == "/a");
  BOOST_TEST(parent_path("/a") == "/");
  BOOST_TEST(parent_path("/") == "/");
  BOOST_TEST(base_name("/a/b") == "b");
}

BOOST_AUTO_TEST_CASE(below_means_whole_components) {
  BOOST_TEST(is_at_or_below("/a/b", "/a"));
  BOOST_TEST(is_at_or_below("/a", "/a"));
  BOOST_TEST(is_at_or_below("/a", "/"));
  BOOST_TEST(!is_at_or_below("/ab", "/a"));
  BOOST_TEST(!is_at_or_below("/", "/a"));
}

BOOST_AUTO_TEST_SUITE_END()
