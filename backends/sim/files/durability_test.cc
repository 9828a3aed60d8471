// What a power cut leaves.
#include <boost/test/unit_test.hpp>
#include <string>

#include "backends/sim/test_world.h"

namespace {

using namespace twinhull;
using namespace twinhull::sim;

BOOST_AUTO_TEST_CASE(unsynced_names_and_contents_vanish) {
  OneNode node;
  must(node.files().write("/f", "text"));
  node.power_cycle();
  BOOST_TEST(!node.exists("/f"));

  must(node.files().write("/f", "text"));
  must(node.files().sync("/f"));  // the content, not the name
  node.power_cycle();
  BOOST_TEST(!node.exists("/f"));

  must(node.files().write("/f", "text"));
  must(node.files().sync("/"));  // the name, not the content
  node.power_cycle();
  BOOST_TEST(node.text("/f").empty());

  must(node.files().write("/g", "text"));
  must(node.files().sync("/g"));
  must(node.files().sync("/"));
  must(node.files().append("/g", " and more"));
  node.power_cycle();
  BOOST_TEST(node.text("/g") == "text");
  must(node.files().write("/g", "other"));  // cut off before it is written anew: neither survives
  node.power_cycle();
  BOOST_TEST(node.text("/g").empty());
  must(node.world.check());
}

BOOST_AUTO_TEST_CASE(write_sync_rename_sync_replaces_atomically) {
  OneNode node;
  must(node.files().write("/f", "old"));
  must(node.files().sync("/f"));
  must(node.files().sync("/"));
  must(node.files().write("/f.new", "new"));
  must(node.files().sync("/f.new"));
  must(node.files().rename("/f.new", "/f"));
  BOOST_TEST(node.text("/f") == "new");
  node.power_cycle();
  BOOST_TEST(node.text("/f") == "old");
  BOOST_TEST(!node.exists("/f.new"));

  must(node.files().write("/f.new", "new"));
  must(node.files().sync("/f.new"));
  must(node.files().rename("/f.new", "/f"));
  must(node.files().sync("/"));
  node.power_cycle();
  BOOST_TEST(node.text("/f") == "new");
  BOOST_TEST(!node.exists("/f.new"));
  must(node.world.check());
}

BOOST_AUTO_TEST_CASE(removals_come_back_until_the_directory_is_synced) {
  OneNode node;
  must(node.files().write("/f", "x"));
  must(node.files().sync("/f"));
  must(node.files().sync("/"));
  must(node.files().remove("/f"));
  BOOST_TEST(!node.exists("/f"));
  node.power_cycle();
  BOOST_TEST(node.text("/f") == "x");
  must(node.files().remove("/f"));
  must(node.files().sync("/"));
  node.power_cycle();
  BOOST_TEST(!node.exists("/f"));
}

BOOST_AUTO_TEST_CASE(a_move_between_directories_is_whole_or_not_at_all) {
  for (const char* synced : {"/a", "/b"}) {
    for (const bool directory : {false, true}) {
      OneNode node;
      must(node.files().make_directory("/a"));
      must(node.files().make_directory("/b"));
      if (directory) {
        must(node.files().make_directory("/a/x"));
      } else {
        must(node.files().write("/a/x", ""));
      }
      for (const char* path : {"/a", "/b", "/"}) must(node.files().sync(path));
      must(node.files().rename("/a/x", "/b/x"));
      must(node.files().rename("/b/x", "/b/y"));
      node.power_cycle();
      BOOST_TEST(node.exists("/a/x"));
      BOOST_TEST(!node.exists("/b/x"));
      must(node.files().rename("/a/x", "/b/x"));
      must(node.files().sync(synced));
      node.power_cycle();
      BOOST_TEST(!node.exists("/a/x"));
      BOOST_TEST(node.exists("/b/x"));
      must(node.world.check());
    }
  }
}

BOOST_AUTO_TEST_CASE(no_order_of_moves_and_syncs_loses_a_directory) {
  OneNode node;
  for (const char* path : {"/x", "/y", "/y/x"}) must(node.files().make_directory(path));
  must(node.files().write("/y/x/kept", ""));
  for (const char* path : {"/y/x", "/y", "/x", "/"}) must(node.files().sync(path));
  must(node.files().remove("/x"));
  must(node.files().rename("/y/x", "/x"));
  must(node.files().rename("/y", "/x/y"));
  must(node.files().sync("/x"));
  node.power_cycle();
  BOOST_TEST((node.exists("/x/kept") || node.exists("/y/x/kept")));
  must(node.world.check());
}

BOOST_AUTO_TEST_CASE(attributes_need_a_sync_too) {
  OneNode node;
  must(node.files().write("/f", ""));
  must(node.files().sync("/"));
  must(node.files().set_mode("/f", 0600));
  node.power_cycle();
  BOOST_TEST(must(node.files().stat("/f"))->mode == 0644U);
  must(node.files().set_mode("/f", 0600));
  must(node.files().sync("/f"));
  node.power_cycle();
  BOOST_TEST(must(node.files().stat("/f"))->mode == 0600U);
}

BOOST_AUTO_TEST_CASE(a_cut_in_the_middle_of_removing_a_tree_leaves_a_part) {
  OneNode node;
  must(node.files().make_directory("/t"));
  for (int i = 0; i < 2000; ++i) must(node.files().write("/t/" + std::to_string(i), ""));
  must(node.files().sync("/t"));
  must(node.files().sync("/"));
  const CommandId command = must(node.world.start(
      "n1", "rm", [](Kernel& kernel) { return kernel.files().remove_tree("/t") ? 0 : 1; }));
  node.world.advance(milliseconds(2));
  BOOST_TEST(!node.world.result(command).has_value());
  node.power_cycle();
  const std::size_t left = must(node.files().list("/t")).size();
  BOOST_TEST(left > 0U);
  BOOST_TEST(left < 2000U);
  must(node.world.check());
}

BOOST_AUTO_TEST_CASE(old_kernels_are_dead_for_ever) {
  OneNode node;
  Kernel& old = node.kernel();
  const std::string boot = must(old.host().boot_id());
  must(node.world.power_off("n1"));
  TH_REFUSED(old.files().write("/x", ""), node_down);
  TH_REFUSED(node.world.power_off("n1"), node_down);
  TH_REFUSED(node.world.start("n1", "x", [](Kernel&) { return 0; }), node_down);
  must(node.world.power_on("n1"));
  TH_REFUSED(node.world.power_on("n1"), already_running);
  TH_REFUSED(old.files().write("/x", ""), node_down);
  TH_REFUSED(old.clock().sleep(seconds(1)), node_down);
  BOOST_TEST(must(node.kernel().host().boot_id()) != boot);
  BOOST_TEST((node.kernel().clock().now() == Instant{}));
}

BOOST_AUTO_TEST_CASE(quota_trees_survive_with_their_limit) {
  OneNode node;
  must(node.quotas().create_tree("/q"));
  must(node.quotas().set_limit("/q", {Bytes{1 << 20}, Inodes{10}}));
  node.power_cycle();
  BOOST_TEST(must(node.quotas().usage("/q")).limit.inodes.value == 10U);
  must(node.files().write("/q/f", "x"));
  must(node.files().sync("/q/f"));
  must(node.files().sync("/q"));
  must(node.quotas().remove_tree("/q"));
  node.power_cycle();
  BOOST_TEST(!node.exists("/q"));
  must(node.world.check());
}

}  // namespace
