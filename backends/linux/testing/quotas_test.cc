// Quota trees on real file systems.
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include "backends/linux/run_tool.h"
#include "backends/linux/testing/storage_node.h"

using namespace twinhull;
using namespace twinhull::linux_backend;
using namespace twinhull::linux_backend::testing;
using namespace twinhull::literals;

namespace {

template <TestDisk kDisk, bool kImages>
struct Fixture : StorageNode {
  Fixture() { REQUIRE_OK(open("q", {.disk = kDisk, .image_quota = kImages})); }
};

using OnBtrfs = Fixture<TestDisk::btrfs, false>;
using OnImages = Fixture<TestDisk::ext4, true>;
using OnNothing = Fixture<TestDisk::ext4, false>;

std::string qgroups(const TestNode& node) {
  return run_tool({"btrfs", "qgroup", "show", "--raw", node.root()}, "test").value().output;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(linux_btrfs_quotas, OnBtrfs)

BOOST_AUTO_TEST_CASE(a_tree_is_limited_counted_renamed_and_removed_with_its_qgroup) {
  const std::string before = qgroups(*node);
  BOOST_TEST((quotas().create_tree(tree).value() == Effect::changed));
  BOOST_TEST((quotas().create_tree(tree).value() == Effect::none));
  const auto kept = quotas().set_limit(tree, {.bytes = 10_MiB, .inodes = {5}}).value();
  BOOST_TEST(kept.bytes.value == (10_MiB).value);
  BOOST_TEST(kept.inodes.value == kUnlimited);
  CHECK_CODE(files().write(tree + "/f", std::string(20 << 20, 'x')), quota_exceeded);
  const auto usage = quotas().usage(tree).value();
  BOOST_TEST(usage.bytes.value > (9_MiB).value);
  BOOST_TEST(usage.bytes.value <= (10_MiB).value);
  BOOST_TEST(usage.limit.bytes.value == (10_MiB).value);
  BOOST_TEST(usage.inodes.value == 2U);
  const std::string moved = *node / "/vz/private/102";
  REQUIRE_OK(quotas().rename_tree(tree, moved));
  BOOST_TEST(quotas().usage(moved).value().limit.bytes.value == (10_MiB).value);
  CHECK_CODE(quotas().usage(tree), not_found);
  BOOST_TEST((quotas().set_limit(moved, {}).value() == TreeLimit{}));
  BOOST_TEST(quotas().usage(moved).value().limit.bytes.value == kUnlimited);
  REQUIRE_OK(files().write(moved + "/f", std::string(20 << 20, 'x')));
  BOOST_TEST((quotas().remove_tree(moved).value() == Effect::changed));
  BOOST_TEST((quotas().remove_tree(moved).value() == Effect::none));
  BOOST_TEST(qgroups(*node).size() == before.size(), qgroups(*node));
}

BOOST_AUTO_TEST_CASE(usage_is_exact_right_after_writing) {
  REQUIRE_OK(quotas().create_tree(tree));
  const auto empty = quotas().usage(tree).value().bytes.value;
  REQUIRE_OK(files().write(tree + "/f", std::string(8 << 20, 'x')));
  const auto full = quotas().usage(tree).value().bytes.value;
  BOOST_TEST(full - empty >= (8_MiB).value);
  BOOST_TEST(full - empty < (8_MiB).value + 200'000);
}

BOOST_AUTO_TEST_CASE(nested_subvolumes_go_with_their_tree) {
  const std::string before = qgroups(*node);
  REQUIRE_OK(quotas().create_tree(tree));
  for (const char* name : {"/a", "/a/b"})
    BOOST_REQUIRE(run_tool({"btrfs", "subvolume", "create", tree + name}, "t").value().exit_code ==
                  0);
  REQUIRE_OK(files().write(tree + "/a/b/f", std::string(1 << 20, 'x')));
  BOOST_TEST(files().measure_tree(tree).value().inodes.value == 4U);
  REQUIRE_OK(quotas().remove_tree(tree));
  BOOST_TEST(!files().stat(tree).value().has_value());
  BOOST_TEST(qgroups(*node).size() == before.size(), qgroups(*node));
}

BOOST_AUTO_TEST_CASE(a_mounted_tree_is_busy_also_as_a_layer) {
  REQUIRE_OK(quotas().create_tree(tree));
  for (const char* name : {"/fs", "/work"}) REQUIRE_OK(files().make_directory(tree + name));
  REQUIRE_OK(files().make_directory(*node / "/vz/lower"));
  REQUIRE_OK(files().make_directory(*node / "/vz/root/101"));
  REQUIRE_OK(mounts().overlay(*node / "/vz/root/101",
                              {{*node / "/vz/lower"}, tree + "/fs", tree + "/work"}));
  CHECK_CODE(quotas().remove_tree(tree), busy);
  CHECK_CODE(quotas().rename_tree(tree, tree + "x"), busy);
  REQUIRE_OK(mounts().unmount(*node / "/vz/root/101"));
  REQUIRE_OK(mounts().tmpfs(tree + "/fs", 1_MiB));
  CHECK_CODE(quotas().remove_tree(tree), busy);
  REQUIRE_OK(mounts().unmount(tree + "/fs"));
  REQUIRE_OK(quotas().remove_tree(tree));
}

BOOST_AUTO_TEST_CASE(the_limit_reaches_through_an_overlay) {
  REQUIRE_OK(quotas().create_tree(tree));
  REQUIRE_OK(quotas().set_limit(tree, {.bytes = 8_MiB}));
  for (const char* name : {"/fs", "/work"}) REQUIRE_OK(files().make_directory(tree + name));
  REQUIRE_OK(files().make_directory(*node / "/vz/lower"));
  REQUIRE_OK(files().make_directory(*node / "/vz/root/101"));
  REQUIRE_OK(mounts().overlay(*node / "/vz/root/101",
                              {{*node / "/vz/lower"}, tree + "/fs", tree + "/work"}));
  CHECK_CODE(files().write(*node / "/vz/root/101/f", std::string(16 << 20, 'x')), quota_exceeded);
}

BOOST_AUTO_TEST_CASE(what_is_no_tree_is_told_apart) {
  REQUIRE_OK(files().make_directory(tree));
  CHECK_CODE(quotas().create_tree(tree), exists);
  CHECK_CODE(quotas().set_limit(tree, {.bytes = 1_MiB}), not_supported);
  CHECK_CODE(quotas().usage(*node / "/none"), not_found);
  CHECK_CODE(quotas().create_tree(*node / "/none/x"), not_found);
  REQUIRE_OK(quotas().create_tree(tree + "x"));
  CHECK_CODE(quotas().rename_tree(tree + "x", tree), exists);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(linux_image_quotas, OnImages)

BOOST_AUTO_TEST_CASE(an_image_limits_bytes_and_inodes) {
  BOOST_TEST((quotas().mechanism(tree).value() == QuotaMechanism::image));
  REQUIRE_OK(quotas().create_tree(tree));
  BOOST_TEST(files().list(tree).value().empty());
  const auto kept = quotas().set_limit(tree, {.bytes = 16_MiB, .inodes = {64}}).value();
  BOOST_TEST(kept.bytes.value <= (16_MiB).value);
  BOOST_TEST(kept.bytes.value > (10_MiB).value);
  BOOST_TEST(kept.inodes.value >= 64U);
  BOOST_TEST(kept.inodes.value < 128U);
  CHECK_CODE(files().write(tree + "/f", std::string(20 << 20, 'x')), no_space);
  REQUIRE_OK(files().remove(tree + "/f"));
  BOOST_TEST(quotas().usage(tree).value().inodes.value == 1U);
  std::uint64_t made = 0;
  while (files().write(tree + "/" + std::to_string(made), "")) ++made;
  BOOST_TEST(made == kept.inodes.value - 1);
}

BOOST_AUTO_TEST_CASE(an_image_grows_and_shrinks_while_unused_and_keeps_its_files) {
  REQUIRE_OK(quotas().create_tree(tree));
  REQUIRE_OK(quotas().set_limit(tree, {.bytes = 32_MiB}));
  REQUIRE_OK(files().write(tree + "/f", std::string(8 << 20, 'x')));
  const std::string digest = files().digest_tree(tree).value();
  const auto bigger = quotas().set_limit(tree, {.bytes = 64_MiB}).value();
  BOOST_TEST(bigger.bytes.value > (48_MiB).value);
  const auto smaller = quotas().set_limit(tree, {.bytes = 32_MiB});
  REQUIRE_OK(smaller);
  BOOST_TEST(smaller->bytes.value <= (32_MiB).value);
  BOOST_TEST(files().digest_tree(tree).value() == digest);
  CHECK_CODE(quotas().set_limit(tree, {.bytes = 4_MiB}), busy);
  BOOST_TEST(files().digest_tree(tree).value() == digest);
}

BOOST_AUTO_TEST_CASE(an_image_is_renamed_mounted_again_and_removed) {
  REQUIRE_OK(quotas().create_tree(tree));
  REQUIRE_OK(files().write(tree + "/f", "x"));
  REQUIRE_OK(quotas().rename_tree(tree, tree + "x"));
  BOOST_TEST(files().read(tree + "x/f").value() == "x");
  BOOST_TEST(!files().stat(tree).value().has_value());
  REQUIRE_OK(mounts().unmount(tree + "x"));  // as after a boot
  BOOST_TEST((quotas().create_tree(tree + "x").value() == Effect::none));
  BOOST_TEST(files().read(tree + "x/f").value() == "x");
  REQUIRE_OK(quotas().remove_tree(tree + "x"));
  BOOST_TEST(files().list(*node / "/vz/private").value().empty());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(linux_no_quotas, OnNothing)

BOOST_AUTO_TEST_CASE(without_a_mechanism_a_tree_is_plain_and_bounds_are_refused) {
  BOOST_TEST((quotas().mechanism(tree).value() == QuotaMechanism::none));
  BOOST_TEST((quotas().create_tree(tree).value() == Effect::changed));
  BOOST_TEST((quotas().create_tree(tree).value() == Effect::none));
  BOOST_TEST((quotas().set_limit(tree, {}).value() == TreeLimit{}));
  CHECK_CODE(quotas().set_limit(tree, {.bytes = 1_MiB}), not_supported);
  CHECK_CODE(quotas().usage(tree), not_supported);
  REQUIRE_OK(files().write(tree + "/f", "x"));
  REQUIRE_OK(quotas().rename_tree(tree, tree + "x"));
  BOOST_TEST((quotas().remove_tree(tree + "x").value() == Effect::changed));
  BOOST_TEST((quotas().remove_tree(tree + "x").value() == Effect::none));
}

BOOST_AUTO_TEST_SUITE_END()
