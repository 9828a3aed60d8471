#include "runtime/kernel/mounts.h"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "backends/sim/test_world.h"

namespace {

using namespace twinhull;
using namespace twinhull::sim;

// A template with a little of everything, and a quota tree with an upper layer.
struct Layered : OneNode {
  Layered() {
    Files& f = files();
    for (const char* path : {"/low", "/low/d", "/low/d/deep", "/low/e", "/root", "/root/1"}) {
      must(f.make_directory(path));
    }
    must(f.write("/low/f", "lower"));
    must(f.write("/low/d/g", "g"));
    must(f.write("/low/d/deep/h", std::string(5000, 'h')));
    must(f.make_symlink("d/g", "/low/link"));
    must(quotas().create_tree("/private"));
    must(f.make_directory("/private/fs"));
    must(f.make_directory("/private/work"));
    before = must(f.digest_tree("/low"));
    must(mounts().overlay("/root/1", {{"/low"}, "/private/fs", "/private/work"}));
  }
  // The lower layer never changes.
  ~Layered() {
    const auto after = files().digest_tree("/low");
    BOOST_TEST(after.has_value());
    if (after) BOOST_TEST(*after == before);
    const Status checked = world.check();
    BOOST_TEST(checked.has_value());
  }
  std::vector<std::string> names(const std::string& path) {
    std::vector<std::string> out;
    for (const DirectoryEntry& entry : must(files().list(path))) out.push_back(entry.name);
    return out;
  }
  std::string before;
};

using Names = std::vector<std::string>;

BOOST_AUTO_TEST_CASE(an_overlay_shows_both_layers) {
  Layered node;
  BOOST_TEST(node.text("/root/1/f") == "lower");
  BOOST_TEST(node.text("/root/1/link") == "g");
  must(node.files().write("/root/1/new", "upper"));
  must(node.files().write("/root/1/d/new", "upper"));
  BOOST_TEST(node.names("/root/1") == (Names{"d", "e", "f", "link", "new"}),
             boost::test_tools::per_element());
  BOOST_TEST(node.names("/root/1/d") == (Names{"deep", "g", "new"}),
             boost::test_tools::per_element());
  BOOST_TEST(node.text("/private/fs/d/new") == "upper");
  BOOST_TEST(!node.exists("/private/fs/d/g"));
  BOOST_TEST(!node.exists("/low/new"));
}

BOOST_AUTO_TEST_CASE(a_changed_file_is_copied_up_with_the_directories_above_it) {
  Layered node;
  must(node.files().set_owner("/low/d/deep/h", {5, 6}));
  node.before = must(node.files().digest_tree("/low"));
  must(node.files().append("/root/1/d/deep/h", "!"));
  BOOST_TEST(node.text("/root/1/d/deep/h") == std::string(5000, 'h') + "!");
  const auto copy = must(node.files().stat("/private/fs/d/deep/h"));
  BOOST_TEST(copy->uid == 5U);
  BOOST_TEST(copy->size.value == 5001U);
  must(node.files().set_mode("/root/1/e", 0700));
  BOOST_TEST(must(node.files().stat("/private/fs/e"))->mode == 0700U);
}

BOOST_AUTO_TEST_CASE(removed_names_of_the_lower_layer_stay_hidden) {
  Layered node;
  Files& files = node.files();
  must(files.remove("/root/1/f"));
  BOOST_TEST(!node.exists("/root/1/f"));
  BOOST_TEST((must(files.stat("/private/fs/f"))->kind == FileKind::device));
  must(files.write("/root/1/f", "again"));
  BOOST_TEST(node.text("/root/1/f") == "again");
  must(files.remove("/root/1/f"));
  BOOST_TEST(!node.exists("/root/1/f"));
  TH_REFUSED(files.remove("/root/1/d"), not_empty);
  must(files.remove_tree("/root/1/d"));
  BOOST_TEST(!node.exists("/root/1/d"));
  TH_REFUSED(files.read("/root/1/link"), not_found);
  must(files.make_directory("/root/1/d"));  // opaque: nothing of the old one comes back
  BOOST_TEST(node.names("/root/1/d").empty());
  must(files.write("/root/1/d/own", ""));
  BOOST_TEST(node.names("/root/1/d") == (Names{"own"}), boost::test_tools::per_element());
  must(files.remove("/root/1/d/own"));
  must(files.remove("/root/1/d"));
  BOOST_TEST(!node.exists("/root/1/d"));
}

BOOST_AUTO_TEST_CASE(renaming_in_an_overlay) {
  Layered node;
  Files& files = node.files();
  must(files.rename("/root/1/f", "/root/1/moved"));
  BOOST_TEST(node.text("/root/1/moved") == "lower");
  BOOST_TEST(!node.exists("/root/1/f"));
  must(files.rename("/root/1/moved", "/root/1/d/g"));  // replaces a name of the lower layer
  BOOST_TEST(node.text("/root/1/d/g") == "lower");
  must(files.remove("/root/1/d/g"));
  BOOST_TEST(!node.exists("/root/1/d/g"));
  TH_REFUSED(files.rename("/root/1/d", "/root/1/x"), cross_device);
  must(files.make_directory("/root/1/own"));
  must(files.write("/root/1/own/x", "x"));
  must(files.rename("/root/1/own", "/root/1/e"));  // an empty directory of the lower layer
  BOOST_TEST(node.text("/root/1/e/x") == "x");
  BOOST_TEST(node.names("/root/1/e") == (Names{"x"}), boost::test_tools::per_element());
  TH_REFUSED(files.rename("/root/1/link", "/link"), cross_device);
  must(files.hard_link("/root/1/link", "/root/1/d/deep/link2"));
  BOOST_TEST(must(files.read_symlink("/root/1/d/deep/link2")) == "d/g");
}

BOOST_AUTO_TEST_CASE(a_copied_upper_layer_shows_the_same) {
  Layered node;
  Files& files = node.files();
  must(files.remove("/root/1/f"));
  must(files.remove_tree("/root/1/d"));
  must(files.make_directory("/root/1/d"));
  must(files.write("/root/1/d/x", "x"));
  const std::string shown = must(files.digest_tree("/root/1"));
  must(node.mounts().unmount("/root/1"));
  must(files.copy_tree("/private/fs", "/fs2"));
  BOOST_TEST(must(files.digest_tree("/fs2")) == must(files.digest_tree("/private/fs")));
  must(files.make_directory("/work2"));
  must(node.mounts().overlay("/root/1", {{"/low"}, "/fs2", "/work2"}));
  BOOST_TEST(must(files.digest_tree("/root/1")) == shown);
}

BOOST_AUTO_TEST_CASE(the_quota_of_the_upper_layer_refuses_through_the_overlay) {
  Layered node;
  const auto usage = [&] { return must(node.quotas().usage("/private")); };
  const std::uint64_t bytes = usage().bytes.value;
  const std::uint64_t inodes = usage().inodes.value;
  must(node.quotas().set_limit("/private", {Bytes{bytes + 3 * 4096}, Inodes{inodes + 2}}));
  must(node.files().write("/root/1/x", std::string(8192, 'x')));
  TH_REFUSED(node.files().append("/root/1/x", std::string(4097, 'x')), quota_exceeded);
  must(node.files().append("/root/1/x", std::string(4096, 'x')));
  TH_REFUSED(node.files().append("/root/1/x", "y"), quota_exceeded);
  const Status refused = node.files().append("/root/1/x", "y");
  BOOST_TEST(refused.error().limit.value() == bytes + 3 * 4096);
  TH_REFUSED(node.files().write("/root/1/f", "larger than nothing"), quota_exceeded);
  BOOST_TEST(node.text("/root/1/f") == "lower");
  must(node.files().write("/root/1/empty", ""));
  TH_REFUSED(node.files().write("/root/1/empty2", ""), quota_exceeded);
  TH_REFUSED(node.files().remove("/root/1/link"), quota_exceeded);  // a whiteout takes an inode
  BOOST_TEST(node.exists("/root/1/link"));
  BOOST_TEST(usage().inodes.value == inodes + 2);
  BOOST_TEST(usage().bytes.value == bytes + 3 * 4096);
  must(node.files().remove("/root/1/x"));
  BOOST_TEST(usage().bytes.value == bytes);
}

BOOST_AUTO_TEST_CASE(mounting_checks_what_it_needs) {
  Layered node;
  Mounts& mounts = node.mounts();
  TH_REFUSED(mounts.overlay("/root/1", {{"/low"}, "/private/fs", "/private/work"}), busy);
  must(node.files().make_directory("/root/2"));
  TH_REFUSED(mounts.overlay("/root/2", {{"/low"}, "/private/fs", "/private/work"}), busy);
  TH_REFUSED(mounts.overlay("/root/2", {{"/none"}, "/low", "/private/work"}), not_found);
  TH_REFUSED(mounts.overlay("/none", {{"/low"}, "/etc", "/tmp"}), not_found);
  TH_REFUSED(mounts.bind("/none", "/root/2"), not_found);
  TH_REFUSED(mounts.bind("/low/f", "/root/2"), not_directory);
  TH_REFUSED(mounts.tmpfs("/low/f", {1 << 20}), not_directory);
  const auto info = must(mounts.find("/root/1"));
  BOOST_TEST(info->type == "overlay");
  BOOST_TEST(info->target == "/root/1");
  BOOST_TEST(!must(mounts.find("/root")).has_value());
  BOOST_TEST(!must(mounts.find("/none")).has_value());
  TH_REFUSED(node.files().remove("/root/1"), busy);
  TH_REFUSED(node.files().rename("/root/1", "/root/3"), busy);
  TH_REFUSED(node.files().remove_tree("/root"), busy);
  BOOST_TEST((must(mounts.unmount("/root/1")) == Effect::changed));
  BOOST_TEST((must(mounts.unmount("/root/1")) == Effect::none));
  BOOST_TEST(node.names("/root/1").empty());
}

BOOST_AUTO_TEST_CASE(mounts_inside_mounts) {
  Layered node;
  Mounts& mounts = node.mounts();
  must(mounts.tmpfs("/root/1/d", {8 * 4096}));
  must(node.files().write("/root/1/d/t", "memory"));
  BOOST_TEST(node.names("/root/1/d") == (Names{"t"}), boost::test_tools::per_element());
  TH_REFUSED(node.files().write("/root/1/d/big", std::string(9 * 4096, 'x')), no_space);
  TH_REFUSED(mounts.unmount("/root/1"), busy);
  must(node.files().write("/root/1/e/y", ""));
  must(node.files().set_mode("/root/1/e", 0711));
  // The covered directory is copied up under its mount, which stays.
  must(mounts.unmount("/root/1/d"));
  must(mounts.tmpfs("/root/1/d/deep", {8 * 4096}));
  must(node.files().write("/root/1/d/deep/t", ""));
  must(node.files().set_mode("/root/1/d", 0711));
  BOOST_TEST(node.exists("/root/1/d/deep/t"));
  std::vector<std::string> targets;
  for (const MountInfo& info : must(mounts.list("/root"))) targets.push_back(info.target);
  BOOST_TEST(targets == (Names{"/root/1", "/root/1/d/deep"}), boost::test_tools::per_element());
  must(node.files().rename("/root", "/roots"));
  BOOST_TEST(node.exists("/roots/1/d/deep/t"));
  BOOST_TEST(must(mounts.list("/roots")).size() == 2U);
  must(node.files().rename("/roots", "/root"));
  must(mounts.unmount("/root/1", true));
  BOOST_TEST(must(mounts.list("/root")).empty());
}

BOOST_AUTO_TEST_CASE(bind_mounts_show_the_same_files) {
  Layered node;
  must(node.files().make_directory("/b"));
  must(node.mounts().bind("/root/1/d", "/b"));
  BOOST_TEST(node.text("/b/g") == "g");
  must(node.files().write("/b/new", "n"));
  BOOST_TEST(node.text("/root/1/d/new") == "n");
  must(node.files().append("/root/1/d/g", "!"));
  BOOST_TEST(node.text("/b/g") == "g!");
  must(node.files().make_directory("/ro"));
  must(node.mounts().bind("/b", "/ro", true));
  TH_REFUSED(node.files().write("/ro/x", ""), read_only);
  TH_REFUSED(node.files().remove("/ro/g"), read_only);
  BOOST_TEST(node.text("/ro/g") == "g!");
  must(node.mounts().unmount("/root/1", true));
  BOOST_TEST(node.text("/b/g") == "g!");  // the overlay lives on below its binds
  must(node.mounts().unmount("/b"));
  must(node.mounts().unmount("/ro"));
}

BOOST_AUTO_TEST_CASE(mounts_are_gone_after_a_power_cut) {
  Layered node;
  for (const char* path : {"/low/d/deep", "/low/d", "/low", "/low/e", "/root", "/private", "/"}) {
    must(node.files().sync(path));
  }
  for (const char* path : {"/low/f", "/low/d/g", "/low/d/deep/h"}) must(node.files().sync(path));
  must(node.files().write("/root/1/x", "x"));
  must(node.files().sync("/root/1/x"));
  must(node.files().sync("/root/1"));
  must(node.files().write("/root/1/lost", "x"));
  node.power_cycle();
  BOOST_TEST(must(node.mounts().list("/root")).empty());
  BOOST_TEST(node.text("/private/fs/x") == "x");
  BOOST_TEST(!node.exists("/private/fs/lost"));
  must(node.mounts().overlay("/root/1", {{"/low"}, "/private/fs", "/private/work"}));
  BOOST_TEST(node.text("/root/1/x") == "x");
  BOOST_TEST(node.text("/root/1/d/g") == "g");
}

BOOST_AUTO_TEST_CASE(quota_trees) {
  OneNode node;
  Quotas& quotas = node.quotas();
  BOOST_TEST((must(quotas.mechanism("/none/deeper")) == QuotaMechanism::simulated));
  BOOST_TEST((must(quotas.create_tree("/q")) == Effect::changed));
  BOOST_TEST((must(quotas.create_tree("/q")) == Effect::none));
  TH_REFUSED(quotas.create_tree("/etc"), exists);
  TH_REFUSED(quotas.create_tree("/none/q"), not_found);
  TH_REFUSED(quotas.usage("/none"), not_found);
  TH_REFUSED(quotas.usage("/etc"), not_supported);
  TH_REFUSED(quotas.set_limit("/etc", {Bytes{1}, Inodes{1}}), not_supported);
  BOOST_TEST(must(quotas.usage("/q")).inodes.value == 1U);
  must(node.files().write("/q/f", "x"));
  BOOST_TEST(must(quotas.usage("/q")).inodes.value == 2U);
  BOOST_TEST(must(quotas.usage("/q")).bytes.value == 8192U);
  TH_REFUSED(node.files().rename("/q/f", "/f"), cross_device);
  TH_REFUSED(node.files().hard_link("/q/f", "/f"), cross_device);
  must(quotas.set_limit("/q", {Bytes{8192}, Inodes{kUnlimited}}));
  TH_REFUSED(node.files().append("/q/f", std::string(4096, 'x')), quota_exceeded);
  must(quotas.rename_tree("/q", "/r"));
  BOOST_TEST(must(quotas.usage("/r")).limit.bytes.value == 8192U);
  TH_REFUSED(quotas.rename_tree("/none", "/x"), not_found);
  TH_REFUSED(quotas.rename_tree("/r", "/etc"), exists);
  must(node.files().make_directory("/m"));
  must(node.mounts().bind("/r", "/m"));
  TH_REFUSED(node.mounts().tmpfs("/m", {4096}), busy);
  BOOST_TEST((must(quotas.remove_tree("/r")) == Effect::changed));
  BOOST_TEST((must(quotas.remove_tree("/r")) == Effect::none));
  must(node.world.check());
}

}  // namespace
