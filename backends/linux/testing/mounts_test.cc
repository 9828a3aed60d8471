// Mounts on a real node.
#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstdio>

#include "backends/linux/mount/overlay.h"
#include "backends/linux/testing/storage_node.h"
#include "backends/linux/unique_fd.h"

using namespace twinhull;
using namespace twinhull::linux_backend;
using namespace twinhull::linux_backend::testing;

namespace {

/// overlayfs's "lowerdir+" came with Linux 6.8.
bool takes_layers_one_by_one() {
  utsname names{};
  int major = 0, minor = 0;
  BOOST_REQUIRE(::uname(&names) == 0);
  BOOST_REQUIRE(std::sscanf(names.release, "%d.%d", &major, &minor) == 2);
  return major > 6 || (major == 6 && minor >= 8);
}

struct Fixture : StorageNode {
  Fixture() {
    REQUIRE_OK(open("m"));
    for (const char* name : {"/l1", "/l2", "/u", "/w", "/t", "/with , : \\ space"})
      REQUIRE_OK(files().make_directory(*node / name));
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(linux_mounts, Fixture)

BOOST_AUTO_TEST_CASE(an_overlay_shows_the_topmost_and_keeps_changes_in_the_upper) {
  BOOST_REQUIRE(files().write(*node / "/l1/f", "top"));
  BOOST_REQUIRE(files().write(*node / "/l2/f", "bottom"));
  BOOST_REQUIRE(files().write(*node / "/l2/g", "below"));
  REQUIRE_OK(
      mounts().overlay(*node / "/t", {{*node / "/l1", *node / "/l2"}, *node / "/u", *node / "/w"}));
  BOOST_TEST(files().read(*node / "/t/f").value() == "top");
  BOOST_TEST(files().read(*node / "/t/g").value() == "below");
  BOOST_REQUIRE(files().write(*node / "/t/f", "changed"));
  BOOST_TEST(files().read(*node / "/u/f").value() == "changed");
  BOOST_TEST(files().read(*node / "/l1/f").value() == "top");
  const auto found = mounts().find(*node / "/t").value();
  BOOST_REQUIRE(found);
  BOOST_TEST(found->type == "overlay");
  BOOST_TEST(found->source == "overlay");
  BOOST_TEST(!found->read_only);
  CHECK_CODE(mounts().tmpfs(*node / "/t", Bytes{1 << 20}), busy);
  CHECK_CODE(files().remove_tree(*node / "/t"), busy);
  BOOST_TEST((mounts().unmount(*node / "/t").value() == Effect::changed));
  BOOST_TEST((mounts().unmount(*node / "/t").value() == Effect::none));
}

BOOST_AUTO_TEST_CASE(layers_with_separators_in_their_names_work) {
  const std::string odd = *node / "/with , : \\ space";
  BOOST_REQUIRE(files().write(odd + "/f", "odd"));
  REQUIRE_OK(mounts().overlay(*node / "/t", {{odd}, *node / "/u", *node / "/w"}));
  BOOST_TEST(files().read(*node / "/t/f").value() == "odd");
  BOOST_TEST(mounts().list(node->root()).value().size() == 2U);
}

BOOST_AUTO_TEST_CASE(options_longer_than_a_page_are_taken) {
  OverlaySpec spec{{}, *node / "/u", *node / "/w"};
  const std::string name(100, 'x');
  for (int i = 0; i < 60; ++i) {
    const std::string lower = *node / ("/" + name + std::to_string(i));
    BOOST_REQUIRE(files().make_directory(lower));
    BOOST_REQUIRE(files().write(lower + "/f" + std::to_string(i), "x"));
    spec.lowers.push_back(lower);
  }
  BOOST_REQUIRE(overlay_options(spec).size() > 4096U);
  if (!takes_layers_one_by_one()) {  // no way around one page: it must be said
    const auto refused = mounts().overlay(*node / "/t", spec);
    BOOST_REQUIRE(!refused);
    BOOST_TEST(to_string(refused.error().code) == to_string(ErrorCode::not_supported));
    BOOST_TEST(refused.error().message().find("longer than one page") != std::string::npos);
    return;
  }
  REQUIRE_OK(mounts().overlay(*node / "/t", spec));
  BOOST_TEST(files().list(*node / "/t").value().size() == 60U);
}

BOOST_AUTO_TEST_CASE(one_layer_path_longer_than_the_mount_call_takes_works) {
  std::string deep = *node / "";
  for (int i = 0; i < 3; ++i) {
    deep += "/" + std::string(150, static_cast<char>('a' + i));
    BOOST_REQUIRE(files().make_directory(deep));
  }
  BOOST_REQUIRE(files().write(deep + "/f", "deep"));
  REQUIRE_OK(mounts().overlay(*node / "/t", {{deep}, *node / "/u", *node / "/w"}));
  BOOST_TEST(files().read(*node / "/t/f").value() == "deep");
}

BOOST_AUTO_TEST_CASE(a_read_only_bind_refuses_writing_and_is_told_apart) {
  BOOST_REQUIRE(files().write(*node / "/l1/f", "x"));
  REQUIRE_OK(mounts().bind(*node / "/l1", *node / "/t", true));
  CHECK_CODE(files().write(*node / "/t/f", "y"), read_only);
  const auto found = mounts().find(*node / "/t").value();
  BOOST_REQUIRE(found);
  BOOST_TEST(found->type == "bind");
  BOOST_TEST(found->source == *node / "/l1");
  BOOST_TEST(found->read_only);
}

BOOST_AUTO_TEST_CASE(a_tmpfs_is_as_big_as_asked) {
  REQUIRE_OK(mounts().tmpfs(*node / "/t", Bytes{1 << 20}));
  CHECK_CODE(files().write(*node / "/t/f", std::string(2 << 20, 'x')), no_space);
  BOOST_TEST(mounts().find(*node / "/t").value()->type == "tmpfs");
}

BOOST_AUTO_TEST_CASE(a_mount_in_use_is_busy_unless_taken_off_lazily) {
  REQUIRE_OK(mounts().tmpfs(*node / "/t", Bytes{1 << 20}));
  UniqueFd inside(::open((*node / "/t").c_str(), O_RDONLY | O_CLOEXEC));
  BOOST_REQUIRE(inside);
  CHECK_CODE(mounts().unmount(*node / "/t"), busy);
  BOOST_TEST((mounts().unmount(*node / "/t", true).value() == Effect::changed));
  BOOST_TEST(!mounts().find(*node / "/t").value().has_value());
}

BOOST_AUTO_TEST_CASE(bad_mount_points_and_layers_are_named) {
  BOOST_REQUIRE(files().write(*node / "/file", "x"));
  CHECK_CODE(mounts().tmpfs(*node / "/none", Bytes{1 << 20}), not_found);
  CHECK_CODE(mounts().tmpfs(*node / "/file", Bytes{1 << 20}), not_directory);
  CHECK_CODE(mounts().tmpfs(*node / "/t", Bytes{0}), invalid_argument);
  CHECK_CODE(mounts().bind(*node / "/none", *node / "/t"), not_found);
  CHECK_CODE(mounts().overlay(*node / "/t", {{*node / "/none"}, *node / "/u", *node / "/w"}),
             not_found);
  CHECK_CODE(mounts().overlay(*node / "/t", {{}, *node / "/u", *node / "/w"}), invalid_argument);
}

BOOST_AUTO_TEST_SUITE_END()
