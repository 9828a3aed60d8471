#include "backends/linux/mount_table.h"

#include <boost/test/unit_test.hpp>

using namespace twinhull;
using namespace twinhull::linux_backend;

BOOST_AUTO_TEST_SUITE(mount_table)

BOOST_AUTO_TEST_CASE(a_line_of_the_manual_page_is_understood) {
  const auto entry = parse_mount_line(
      "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 propagate_from:2 - ext3 /dev/root "
      "rw,errors=continue");
  BOOST_REQUIRE(entry);
  BOOST_TEST(entry->id == 36U);
  BOOST_TEST(entry->parent == 35U);
  BOOST_TEST(entry->device == "98:0");
  BOOST_TEST(entry->root == "/mnt1");
  BOOST_TEST(entry->target == "/mnt2");
  BOOST_TEST(entry->type == "ext3");
  BOOST_TEST(entry->source == "/dev/root");
  BOOST_TEST(entry->super_options == "rw,errors=continue");
  BOOST_TEST(!entry->read_only());
}

BOOST_AUTO_TEST_CASE(octal_escapes_are_undone_and_other_backslashes_stay) {
  BOOST_TEST(unescape_octal("/a\\040b\\011c\\134d") == "/a b\tc\\d");
  BOOST_TEST(unescape_octal("/a\\x") == "/a\\x");
  BOOST_TEST(unescape_octal("/a\\04") == "/a\\04");
  BOOST_TEST(unescape_octal("\\") == "\\");
}

BOOST_AUTO_TEST_CASE(read_only_is_found_in_either_list_as_a_whole_word) {
  BOOST_TEST(parse_mount_line("1 2 0:3 / /a ro,x - t s rw")->read_only());
  BOOST_TEST(parse_mount_line("1 2 0:3 / /a rw - t s x,ro")->read_only());
  BOOST_TEST(!parse_mount_line("1 2 0:3 / /a rw,errors=remount-ro - t s rw,roo")->read_only());
}

BOOST_AUTO_TEST_CASE(lines_of_another_form_are_refused) {
  for (const char* line :
       {"", "x", "1 2", "1 2 0:3 / /a rw t s rw", "1 x 0:3 / /a rw - t s rw", "1 2 0:3 / /a rw -"})
    BOOST_TEST(!parse_mount_line(line), line);
  BOOST_TEST((parse_mount_table("what\n", "t").error().code == ErrorCode::corrupt));
}

BOOST_AUTO_TEST_CASE(the_table_of_this_process_has_a_root) {
  const auto table = read_mount_table("t");
  BOOST_REQUIRE(table);
  bool root = false;
  for (const MountEntry& entry : *table) root = root || entry.target == "/";
  BOOST_TEST(root);
}

BOOST_AUTO_TEST_SUITE_END()
