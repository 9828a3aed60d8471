#include "runtime/kernel/files.h"

#include <boost/test/unit_test.hpp>
#include <string>

#include "backends/sim/test_world.h"

namespace {

using namespace twinhull;
using namespace twinhull::sim;

BOOST_AUTO_TEST_CASE(what_is_written_is_read) {
  OneNode node;
  must(node.files().write("/f", "one"));
  must(node.files().append("/f", "two"));
  BOOST_TEST(node.text("/f") == "onetwo");
  must(node.files().write("/f", "x"));
  BOOST_TEST(node.text("/f") == "x");
  TH_REFUSED(node.files().read("/f", Bytes{0}), limit_exceeded);
  const auto info = must(node.files().stat("/f"));
  BOOST_TEST(info->size.value == 1U);
  BOOST_TEST(info->allocated.value == 4096U);
  BOOST_TEST(info->mode == 0644U);
}

BOOST_AUTO_TEST_CASE(paths_are_checked) {
  OneNode node;
  Files& files = node.files();
  must(files.make_directory("/d"));
  must(files.write("/d/f", ""));
  TH_REFUSED(files.read("relative"), invalid_argument);
  TH_REFUSED(files.read(""), invalid_argument);
  TH_REFUSED(files.read("/d/../d/f"), invalid_argument);
  TH_REFUSED(files.read(std::string("/d\0f", 4)), invalid_argument);
  TH_REFUSED(files.write("/" + std::string(256, 'x'), ""), invalid_argument);
  TH_REFUSED(files.read("/" + std::string(5000, 'x')), invalid_argument);
  TH_REFUSED(files.read("/none"), not_found);
  TH_REFUSED(files.read("/none/f"), not_found);
  TH_REFUSED(files.read("/d/f/g"), not_directory);
  TH_REFUSED(files.read("/d"), is_directory);
  TH_REFUSED(files.list("/d/f"), not_directory);
  TH_REFUSED(files.stat("/d/f/g"), not_directory);
  BOOST_TEST(!node.exists("/none/f"));
  BOOST_TEST(node.exists("//d///f"));
  BOOST_TEST(node.exists("/d/./f"));
}

BOOST_AUTO_TEST_CASE(links_are_followed_where_they_should_be) {
  OneNode node;
  Files& files = node.files();
  must(files.make_directory("/d"));
  must(files.write("/d/f", "text"));
  must(files.make_symlink("d/f", "/relative"));
  must(files.make_symlink("/d", "/absolute"));
  must(files.make_symlink("../d/./f", "/d/up"));
  must(files.make_symlink("loop", "/loop"));
  must(files.make_symlink("/nowhere", "/dangling"));
  BOOST_TEST(node.text("/relative") == "text");
  BOOST_TEST(node.text("/absolute/f") == "text");
  BOOST_TEST(node.text("/d/up") == "text");
  BOOST_TEST((must(files.stat("/relative"))->kind == FileKind::symlink));
  BOOST_TEST(must(files.read_symlink("/relative")) == "d/f");
  TH_REFUSED(files.read("/loop"), too_many_links);
  TH_REFUSED(files.read("/dangling"), not_found);
  TH_REFUSED(files.read_symlink("/d"), invalid_argument);
  TH_REFUSED(files.make_symlink("x", "/relative"), exists);
  // Writing follows a dangling link and makes its target.
  must(files.write("/dangling", "made"));
  BOOST_TEST(node.text("/nowhere") == "made");
  must(files.remove("/absolute"));
  BOOST_TEST(node.exists("/d/f"));
}

BOOST_AUTO_TEST_CASE(removing_and_renaming) {
  OneNode node;
  Files& files = node.files();
  must(files.make_directory("/d"));
  BOOST_TEST((must(files.make_directory("/d")) == Effect::none));
  must(files.write("/d/f", "f"));
  TH_REFUSED(files.make_directory("/d/f"), exists);
  TH_REFUSED(files.remove("/d"), not_empty);
  BOOST_TEST((must(files.remove("/none")) == Effect::none));
  BOOST_TEST((must(files.remove("/none/x")) == Effect::none));
  must(files.write("/g", "g"));
  must(files.rename("/d/f", "/g"));
  BOOST_TEST(node.text("/g") == "f");
  BOOST_TEST(!node.exists("/d/f"));
  TH_REFUSED(files.rename("/none", "/x"), not_found);
  TH_REFUSED(files.rename("/d", "/g"), not_directory);
  TH_REFUSED(files.rename("/g", "/d"), is_directory);
  must(files.make_directory("/e"));
  must(files.write("/e/x", "x"));
  TH_REFUSED(files.rename("/d", "/e"), not_empty);
  TH_REFUSED(files.rename("/e", "/e/inside"), invalid_argument);
  must(files.rename("/e", "/d"));
  BOOST_TEST(node.text("/d/x") == "x");
  must(files.rename("/d", "/d"));
  BOOST_TEST(node.text("/d/x") == "x");
  BOOST_TEST((must(files.remove_tree("/d")) == Effect::changed));
  BOOST_TEST((must(files.remove_tree("/d")) == Effect::none));
  TH_REFUSED(files.remove("/"), busy);
}

BOOST_AUTO_TEST_CASE(hard_links_share_the_file) {
  OneNode node;
  Files& files = node.files();
  must(files.write("/a", "1"));
  must(files.hard_link("/a", "/b"));
  TH_REFUSED(files.hard_link("/a", "/b"), exists);
  TH_REFUSED(files.hard_link("/etc", "/c"), not_permitted);
  must(files.append("/b", "2"));
  BOOST_TEST(node.text("/a") == "12");
  BOOST_TEST(must(files.stat("/a"))->links == 2U);
  must(files.rename("/a", "/b"));  // two names of one file: nothing happens
  BOOST_TEST(node.exists("/a"));
  must(files.remove("/a"));
  BOOST_TEST(must(files.stat("/b"))->links == 1U);
}

BOOST_AUTO_TEST_CASE(attributes_are_kept) {
  OneNode node;
  Files& files = node.files();
  must(files.write("/f", "", 0600));
  must(files.set_mode("/f", 04755));
  must(files.set_owner("/f", {7, 8}));
  const auto info = must(files.stat("/f"));
  BOOST_TEST(info->mode == 04755U);
  BOOST_TEST(info->uid == 7U);
  BOOST_TEST(info->gid == 8U);
  TH_REFUSED(files.set_mode("/f", 010000), invalid_argument);
  TH_REFUSED(files.set_mode("/none", 0644), not_found);
}

BOOST_AUTO_TEST_CASE(the_disk_is_full_at_the_exact_block) {
  NodeSpec spec = OneNode::small_node();
  spec.disk = {1 << 20};
  OneNode node(spec);
  const auto free = [&] { return must(node.kernel().host().disk("/")).available.value; };
  must(node.files().write("/f", ""));
  const std::uint64_t left = free();
  TH_REFUSED(node.files().write("/f", std::string(left + 1, 'x')), no_space);
  BOOST_TEST(node.text("/f").empty());
  must(node.files().write("/f", std::string(left, 'x')));
  BOOST_TEST(free() == 0U);
  TH_REFUSED(node.files().append("/f", "y"), no_space);
  TH_REFUSED(node.files().make_directory("/d"), no_space);
  must(node.files().write("/empty", ""));  // takes an inode, no block
  must(node.files().remove("/f"));
  BOOST_TEST(free() == left);
  must(node.world.occupy_disk("n1", {left - 4096}));
  BOOST_TEST(free() == 4096U);
  must(node.files().write("/f", std::string(4096, 'x')));
  TH_REFUSED(node.files().append("/f", "y"), no_space);
  must(node.world.occupy_disk("n1", {0}));
  must(node.files().append("/f", "y"));
  must(node.world.check());
}

BOOST_AUTO_TEST_CASE(the_disk_runs_out_of_inodes) {
  NodeSpec spec = OneNode::small_node();
  spec.inodes = {400};
  OneNode node(spec);
  int made = 0;
  for (; made < 1000; ++made) {
    const Status status = node.files().write("/f" + std::to_string(made), "");
    if (status) continue;
    BOOST_TEST((status.error().code == ErrorCode::no_space));
    break;
  }
  BOOST_TEST(made < 400);
  must(node.files().remove("/f0"));
  must(node.files().write("/again", ""));
  TH_REFUSED(node.files().write("/more", ""), no_space);
}

BOOST_AUTO_TEST_CASE(trees_are_copied_with_all_that_they_hold) {
  OneNode node;
  Files& files = node.files();
  must(files.make_directory("/t"));
  must(files.make_directory("/t/d", 0700));
  must(files.write("/t/d/f", "hello", 0640));
  must(files.set_owner("/t/d/f", {3, 4}));
  must(files.hard_link("/t/d/f", "/t/again"));
  must(files.make_symlink("d/f", "/t/link"));
  const Instant before = node.world.now();
  const TreeSize size = must(files.copy_tree("/t", "/u"));
  BOOST_TEST((node.world.now() > before));
  BOOST_TEST(size.bytes.value == 5U);
  BOOST_TEST(size.inodes.value == 4U);
  BOOST_TEST((must(files.measure_tree("/u")) == size));
  BOOST_TEST(must(files.digest_tree("/t")) == must(files.digest_tree("/u")));
  BOOST_TEST(must(files.stat("/u/again"))->links == 2U);
  TH_REFUSED(files.copy_tree("/t", "/u"), exists);
  TH_REFUSED(files.copy_tree("/none", "/v"), not_found);
  must(files.append("/u/d/f", "!"));
  BOOST_TEST(node.text("/t/d/f") == "hello");
  BOOST_TEST(must(files.digest_tree("/t")) != must(files.digest_tree("/u")));
  node.power_cycle();
  BOOST_TEST(node.text("/u/d/f") == "hello");  // synced when it returned; the "!" was not
}

BOOST_AUTO_TEST_CASE(digests_see_names_modes_owners_and_contents) {
  OneNode node;
  Files& files = node.files();
  must(files.make_directory("/t"));
  must(files.write("/t/f", "ab"));
  const std::string base = must(files.digest_tree("/t"));
  BOOST_TEST(base.size() == 16U);
  const auto differs = [&](auto&& change, auto&& undo) {
    change();
    BOOST_TEST(must(files.digest_tree("/t")) != base);
    undo();
    BOOST_TEST(must(files.digest_tree("/t")) == base);
  };
  differs([&] { must(files.set_mode("/t/f", 0600)); }, [&] { must(files.set_mode("/t/f", 0644)); });
  differs([&] { must(files.set_owner("/t/f", {1, 0})); },
          [&] { must(files.set_owner("/t/f", {0, 0})); });
  differs([&] { must(files.rename("/t/f", "/t/g")); }, [&] { must(files.rename("/t/g", "/t/f")); });
  differs([&] { must(files.write("/t/f", "ac")); },
          [&] {
            must(files.write("/t/f", "a"));
            must(files.append("/t/f", "b"));
          });
}

BOOST_AUTO_TEST_CASE(a_container_cannot_lead_out_of_its_root) {
  OneNode node;
  Files& files = node.files();
  must(files.make_directory("/ct"));
  must(files.make_directory("/ct/etc"));
  must(files.write("/ct/etc/passwd", "inside"));
  must(files.write("/etc/secret", "outside"));
  must(files.make_symlink("/etc/passwd", "/ct/absolute"));
  must(files.make_symlink("../../../etc/passwd", "/ct/etc/up"));
  must(files.make_symlink("/etc/secret", "/ct/secret"));
  BOOST_TEST(must(files.read_inside("/ct", "/absolute")) == "inside");
  BOOST_TEST(must(files.read_inside("/ct", "/etc/up")) == "inside");
  TH_REFUSED(files.read_inside("/ct", "/secret"), not_found);
  BOOST_TEST(!must(files.exists_inside("/ct", "/secret")));
  BOOST_TEST(must(files.exists_inside("/ct", "/etc/up")));
  TH_REFUSED(files.read_inside("/none", "/x"), not_found);
  TH_REFUSED(files.read_inside("/ct", "/../etc/secret"), invalid_argument);
}

BOOST_AUTO_TEST_CASE(a_command_that_was_killed_has_no_effect) {
  OneNode node;
  const CommandId command = must(node.world.start("n1", "test", [](Kernel& kernel) {
    must(kernel.files().write("/before", ""));
    const Status slept = kernel.clock().sleep(seconds(10));
    BOOST_TEST(!slept);
    TH_REFUSED(kernel.files().write("/after", ""), node_down);
    return 0;
  }));
  node.world.advance(seconds(1));
  BOOST_TEST(!node.world.result(command).has_value());
  BOOST_TEST(!node.world.at_rest());
  must(node.world.kill(command));
  BOOST_TEST(node.world.at_rest());
  BOOST_TEST(*node.world.result(command) == 137);
  BOOST_TEST(node.exists("/before"));
  BOOST_TEST(!node.exists("/after"));
}

}  // namespace
