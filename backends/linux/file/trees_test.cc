// Trees as containers leave them: deep, linked, sparse, with nodes.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include "backends/linux/file/files.h"
#include "backends/linux/file/test_directory.h"
#include "backends/linux/unique_fd.h"

using namespace twinhull;
using namespace twinhull::linux_backend;

namespace {

struct Fixture {
  TestDirectory top;
  NodeOptions options;
  std::unique_ptr<Files> files = make_files(options);

  void make_tree() {
    BOOST_REQUIRE(files->make_directory(top / "t", 0751));
    BOOST_REQUIRE(files->make_directory(top / "t/d", 01777));
    BOOST_REQUIRE(files->write(top / "t/d/f", "content", 0640));
    BOOST_REQUIRE(files->hard_link(top / "t/d/f", top / "t/second"));
    BOOST_REQUIRE(files->make_symlink("/nowhere", top / "t/link"));
    BOOST_REQUIRE(::mkfifo((top / "t/fifo").c_str(), 0604) == 0);
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(linux_trees, Fixture)

BOOST_AUTO_TEST_CASE(a_copy_has_the_digest_of_its_original) {
  make_tree();
  const auto size = files->copy_tree(top / "t", top / "c");
  BOOST_REQUIRE(size);
  BOOST_TEST(size->bytes.value == 7U);
  BOOST_TEST(size->inodes.value == 5U);
  BOOST_TEST((files->measure_tree(top / "t").value() == *size));
  BOOST_TEST((files->measure_tree(top / "c").value() == *size));
  BOOST_TEST(files->digest_tree(top / "t").value() == files->digest_tree(top / "c").value());
  BOOST_TEST(files->digest_tree(top / "t").value().size() == 16U);
  BOOST_TEST(files->stat(top / "c").value()->mode == 0751U);
  BOOST_TEST(files->stat(top / "c/d").value()->mode == 01777U);
  BOOST_TEST(files->stat(top / "c/second").value()->links == 2U);
  BOOST_TEST(
      (files->stat(top / "c/d").value()->modified == files->stat(top / "t/d").value()->modified));
}

BOOST_AUTO_TEST_CASE(a_copy_needs_a_free_place_outside_the_original) {
  make_tree();
  BOOST_TEST((files->copy_tree(top / "t", top / "t/d").error().code == ErrorCode::exists));
  BOOST_TEST(
      (files->copy_tree(top / "t", top / "t/x").error().code == ErrorCode::invalid_argument));
  BOOST_TEST((files->copy_tree(top / "none", top / "x").error().code == ErrorCode::not_found));
}

BOOST_AUTO_TEST_CASE(each_covered_fact_changes_the_digest_and_time_does_not) {
  make_tree();
  const auto digest = [this] { return files->digest_tree(top / "t").value(); };
  std::string last = digest();
  const auto changed = [&] {
    const std::string now = digest();
    const bool differs = now != last;
    last = now;
    return differs;
  };
  BOOST_TEST(!changed());
  const timespec times[2] = {{1, 0}, {2, 0}};
  BOOST_REQUIRE(::utimensat(AT_FDCWD, (top / "t/d/f").c_str(), times, 0) == 0);
  BOOST_TEST(!changed(), "times do not count");
  BOOST_REQUIRE(files->set_mode(top / "t/d/f", 0600));
  BOOST_TEST(changed(), "mode");
  BOOST_REQUIRE(files->write(top / "t/d/f", "Content"));
  BOOST_TEST(changed(), "content");
  BOOST_REQUIRE(files->rename(top / "t/link", top / "t/knil"));
  BOOST_TEST(changed(), "name");
  BOOST_REQUIRE(files->remove(top / "t/second"));
  BOOST_REQUIRE(files->write(top / "t/second", "Content", 0600));
  BOOST_TEST(changed(), "one file or two");
  BOOST_REQUIRE(::setxattr((top / "t/d").c_str(), "user.x", "y", 1, 0) == 0);
  BOOST_TEST(changed(), "attribute");
}

BOOST_AUTO_TEST_CASE(holes_stay_holes_and_do_not_count_for_the_digest) {
  BOOST_REQUIRE(files->make_directory(top / "t"));
  {
    UniqueFd file(::open((top / "t/sparse").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    BOOST_REQUIRE(::pwrite(file.get(), "a", 1, 32 << 20) == 1);
    BOOST_REQUIRE(::ftruncate(file.get(), 64 << 20) == 0);
  }
  const auto size = files->copy_tree(top / "t", top / "c");
  BOOST_REQUIRE(size);
  BOOST_TEST(size->bytes.value == 64U << 20);
  BOOST_TEST(files->stat(top / "c/sparse").value()->size.value == 64U << 20);
  BOOST_TEST(files->stat(top / "c/sparse").value()->allocated.value < 1U << 20);
  BOOST_TEST(files->digest_tree(top / "t").value() == files->digest_tree(top / "c").value());
}

BOOST_AUTO_TEST_CASE(a_tree_deeper_than_any_path_or_descriptor_table_is_handled) {
  constexpr int kDepth = 3000;
  BOOST_REQUIRE(files->make_directory(top / "t"));
  {
    UniqueFd here(::open((top / "t").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (int i = 0; i < kDepth; ++i) {
      BOOST_REQUIRE(::mkdirat(here.get(), "dd", 0755) == 0);
      UniqueFd next(::openat(here.get(), "dd", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      BOOST_REQUIRE(next);
      here = std::move(next);
    }
  }
  BOOST_TEST(files->measure_tree(top / "t").value().inodes.value == kDepth + 1U);
  BOOST_REQUIRE(files->copy_tree(top / "t", top / "c"));
  BOOST_TEST(files->digest_tree(top / "t").value() == files->digest_tree(top / "c").value());
  BOOST_TEST((files->remove_tree(top / "t").value() == Effect::changed));
  BOOST_TEST((files->remove_tree(top / "t").value() == Effect::none));
  BOOST_TEST((files->remove_tree(top / "c").value() == Effect::changed));
}

BOOST_AUTO_TEST_CASE(a_link_to_a_tree_is_removed_and_the_tree_is_not) {
  make_tree();
  BOOST_REQUIRE(files->make_symlink(top / "t", top / "l"));
  BOOST_TEST((files->remove_tree(top / "l").value() == Effect::changed));
  BOOST_TEST(files->stat(top / "t/d/f").value().has_value());
}

BOOST_AUTO_TEST_SUITE_END()
