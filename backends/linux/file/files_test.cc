#include "backends/linux/file/files.h"

#include <sys/stat.h>

#include <boost/test/unit_test.hpp>

#include "backends/linux/file/test_directory.h"
#include "backends/linux/test_checks.h"

using namespace twinhull;
using namespace twinhull::linux_backend;

namespace {

struct Fixture {
  TestDirectory top;
  NodeOptions options;
  std::unique_ptr<Files> files = make_files(options);
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(linux_files, Fixture)

BOOST_AUTO_TEST_CASE(a_new_file_has_exactly_its_mode_whatever_the_umask) {
  const mode_t before = ::umask(077);
  const auto written = files->write(top / "f", "x", 0666);
  const auto made = files->make_directory(top / "d", 0777);
  ::umask(before);
  BOOST_REQUIRE(written);
  BOOST_REQUIRE(made);
  BOOST_TEST(files->stat(top / "f").value()->mode == 0666U);
  BOOST_TEST(files->stat(top / "d").value()->mode == 0777U);
}

BOOST_AUTO_TEST_CASE(writing_replaces_and_appending_adds) {
  BOOST_REQUIRE(files->write(top / "f", "long content"));
  BOOST_REQUIRE(files->write(top / "f", "ab"));
  BOOST_REQUIRE(files->append(top / "f", "cd"));
  BOOST_TEST(files->read(top / "f").value() == "abcd");
  CHECK_CODE(files->read(top / "f", Bytes{3}), limit_exceeded);
}

BOOST_AUTO_TEST_CASE(fifos_and_directories_are_no_files_and_do_not_block) {
  BOOST_REQUIRE(::mkfifo((top / "p").c_str(), 0600) == 0);
  CHECK_CODE(files->read(top / "p"), invalid_argument);
  CHECK_CODE(files->write(top / "p", "x"), invalid_argument);
  CHECK_CODE(files->read(top.path()), is_directory);
  CHECK_CODE(files->write(top.path(), "x"), is_directory);
}

BOOST_AUTO_TEST_CASE(a_final_link_is_followed_by_read_and_write_only) {
  BOOST_REQUIRE(files->make_symlink("target", top / "link"));
  BOOST_REQUIRE(files->write(top / "link", "x"));
  BOOST_TEST(files->read(top / "target").value() == "x");
  BOOST_TEST((files->stat(top / "link").value()->kind == FileKind::symlink));
  BOOST_TEST(files->read_symlink(top / "link").value() == "target");
  CHECK_CODE(files->read_symlink(top / "target"), invalid_argument);
  CHECK_CODE(files->make_directory(top / "link"), exists);
  CHECK_CODE(files->set_mode(top / "link", 0600), not_supported);
  BOOST_TEST((files->remove(top / "link").value() == Effect::changed));
  BOOST_TEST((files->remove(top / "link").value() == Effect::none));
}

BOOST_AUTO_TEST_CASE(names_are_sorted_by_bytes) {
  for (const char* name : {"b", "a", "B", "\xc3\xa4"}) BOOST_REQUIRE(files->write(top / name, ""));
  BOOST_REQUIRE(files->make_directory(top / "c"));
  const auto entries = files->list(top.path()).value();
  BOOST_REQUIRE(entries.size() == 5U);
  BOOST_TEST(entries[0].name == "B");
  BOOST_TEST(entries[3].name == "c");
  BOOST_TEST((entries[3].kind == FileKind::directory));
  BOOST_TEST(entries[4].name == "\xc3\xa4");
  CHECK_CODE(files->list(top / "a"), not_directory);
}

BOOST_AUTO_TEST_CASE(errors_of_rename_and_link_are_told_apart) {
  BOOST_REQUIRE(files->make_directory(top / "d"));
  BOOST_REQUIRE(files->make_directory(top / "e"));
  BOOST_REQUIRE(files->write(top / "e/f", "x"));
  CHECK_CODE(files->rename(top / "d", top / "e"), not_empty);
  CHECK_CODE(files->rename(top / "none", top / "x"), not_found);
  CHECK_CODE(files->rename(top / "e/f", "/dev/shm/th-no-such-file"), cross_device);
  CHECK_CODE(files->hard_link(top / "e/f", top / "d"), exists);
  BOOST_REQUIRE(files->hard_link(top / "e/f", top / "g"));
  BOOST_TEST(files->stat(top / "g").value()->links == 2U);
  CHECK_CODE(files->remove(top / "e"), not_empty);
}

BOOST_AUTO_TEST_CASE(nothing_leads_out_of_a_root) {
  BOOST_REQUIRE(files->make_directory(top / "root"));
  BOOST_REQUIRE(files->make_directory(top / "root/etc"));
  BOOST_REQUIRE(files->write(top / "secret", "node"));
  BOOST_REQUIRE(files->write(top / "root/etc/name", "container"));
  BOOST_REQUIRE(files->make_symlink("/etc/name", top / "root/absolute"));
  BOOST_REQUIRE(files->make_symlink("../../../../etc/name", top / "root/climbing"));
  BOOST_REQUIRE(files->make_symlink("../secret", top / "root/out"));
  BOOST_REQUIRE(files->make_symlink("loop", top / "root/loop"));
  BOOST_TEST(files->read_inside(top / "root", "/absolute").value() == "container");
  BOOST_TEST(files->read_inside(top / "root", "/climbing").value() == "container");
  CHECK_CODE(files->read_inside(top / "root", "/out"), not_found);
  CHECK_CODE(files->read_inside(top / "root", "/../secret"), invalid_argument);
  CHECK_CODE(files->read_inside(top / "root", "/loop"), too_many_links);
  BOOST_TEST(files->exists_inside(top / "root", "/climbing").value());
  BOOST_TEST(!files->exists_inside(top / "root", "/out").value());
  BOOST_TEST(!files->exists_inside(top / "root", "/etc/name/x").value());
  CHECK_CODE(files->exists_inside(top / "none", "/x"), not_found);
}

BOOST_AUTO_TEST_CASE(a_fifo_of_a_container_does_not_block_us) {
  BOOST_REQUIRE(::mkfifo((top / "p").c_str(), 0600) == 0);
  CHECK_CODE(files->read_inside(top.path(), "/p"), invalid_argument);
}

BOOST_AUTO_TEST_CASE(nothing_there_is_an_answer) {
  BOOST_TEST(!files->stat(top / "none").value().has_value());
  CHECK_CODE(files->read(top / "none"), not_found);
  CHECK_CODE(files->append(top / "none/x", "y"), not_found);
  BOOST_REQUIRE(files->write(top / "f", ""));
  CHECK_CODE(files->write(top / "f/x", ""), not_directory);
  CHECK_CODE(files->read("relative"), invalid_argument);
}

BOOST_AUTO_TEST_SUITE_END()
