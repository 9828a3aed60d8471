// What the runtime relies on: what a power cut takes and what it leaves.
#include "runtime/kernel/checkpoints.h"
#include "runtime/kernel/contract/checks.h"
#include "runtime/kernel/contract/containers.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/links.h"
#include "runtime/kernel/mounts.h"
#include "runtime/kernel/quotas.h"

namespace twinhull::contract {
namespace {

std::vector<Case>& cases() {
  static std::vector<Case> list;
  return list;
}

bool is_there(ContractStage& stage, const std::string& path) {
  return MUST(stage.kernel().files().stat(path)).has_value();
}

CASE(a_kernel_without_power_refuses_everything) {
  Kernel& before = stage.kernel();
  MUST(before.files().write(stage.scratch() + "/f", "x"));
  const std::string scratch = stage.scratch();
  MUST(stage.power_cycle());
  REFUSED(before.files().read(scratch + "/f"), node_down);
  REFUSED(before.files().write(scratch + "/f", "y"), node_down);
  REFUSED(before.processes().list(), node_down);
  REFUSED(before.cgroups().create({"g1"}), node_down);
  REFUSED(before.mounts().list("/"), node_down);
  REFUSED(before.links().list(NetScope::node()), node_down);
  REFUSED(before.clock().sleep(milliseconds(1)), node_down);
  REFUSED(before.host().boot_id(), node_down);
}

CASE(each_boot_has_an_id_of_its_own) {
  const std::string first = MUST(stage.kernel().host().boot_id());
  MUST(stage.power_cycle());
  const std::string second = MUST(stage.kernel().host().boot_id());
  MUST(stage.power_cycle());
  const std::string third = MUST(stage.kernel().host().boot_id());
  BOOST_CHECK(first != second);
  BOOST_CHECK(second != third);
  BOOST_CHECK(first != third);
}

CASE(synced_content_and_names_survive) {
  Files& files = stage.kernel().files();
  const std::string path = stage.scratch() + "/f";
  MUST(files.write(path, "kept"));
  MUST(files.sync(path));
  MUST(files.sync(stage.scratch()));
  MUST(stage.power_cycle());
  BOOST_CHECK_EQUAL(MUST(stage.kernel().files().read(path)), "kept");
}

CASE(a_name_that_was_not_synced_is_gone) {
  Files& files = stage.kernel().files();
  MUST(files.write(stage.scratch() + "/f", "lost"));
  MUST(stage.power_cycle());
  BOOST_CHECK(!is_there(stage, stage.scratch() + "/f"));
}

CASE(content_that_was_not_synced_is_gone) {
  Files& files = stage.kernel().files();
  const std::string path = stage.scratch() + "/f";
  MUST(files.write(path, "old"));
  MUST(files.sync(path));
  MUST(files.sync(stage.scratch()));
  MUST(files.append(path, " and new"));
  MUST(stage.power_cycle());
  BOOST_CHECK_EQUAL(MUST(stage.kernel().files().read(path)), "old");
}

// Write beside it, sync, rename, sync the directory: at every cut one whole version is there.
CASE(an_atomic_replacement_leaves_one_whole_version) {
  for (int steps = 0; steps <= 4; ++steps) {
    Files& files = stage.kernel().files();
    const std::string path = stage.scratch() + "/f", beside = path + ".new";
    MUST(files.remove(beside));
    MUST(files.write(path, "old"));
    MUST(files.sync(path));
    MUST(files.sync(stage.scratch()));
    if (steps > 0) MUST(files.write(beside, "new"));
    if (steps > 1) MUST(files.sync(beside));
    if (steps > 2) MUST(files.rename(beside, path));
    if (steps > 3) MUST(files.sync(stage.scratch()));
    MUST(stage.power_cycle());
    const std::string content = MUST(stage.kernel().files().read(path));
    BOOST_CHECK_MESSAGE(content == "old" || (content == "new" && steps >= 3),
                        "after " << steps << " steps: " << content);
    if (steps == 4) BOOST_CHECK_EQUAL(content, "new");
  }
}

CASE(a_removal_that_was_not_synced_may_be_undone_but_a_synced_one_holds) {
  Files& files = stage.kernel().files();
  const std::string path = stage.scratch() + "/f";
  MUST(files.write(path, "x"));
  MUST(files.sync(path));
  MUST(files.sync(stage.scratch()));
  MUST(files.remove(path));
  MUST(files.sync(stage.scratch()));
  MUST(stage.power_cycle());
  BOOST_CHECK(!is_there(stage, path));
}

CASE(a_copied_tree_is_synced) {
  Files& files = stage.kernel().files();
  const std::string from = stage.scratch() + "/d", to = stage.scratch() + "/copy";
  MUST(files.make_directory(from));
  MUST(files.write(from + "/f", "x"));
  MUST(files.copy_tree(from, to));
  MUST(files.sync(stage.scratch()));
  const std::string digest = MUST(files.digest_tree(to));
  MUST(stage.power_cycle());
  BOOST_CHECK_EQUAL(MUST(stage.kernel().files().digest_tree(to)), digest);
}

CASE(processes_and_labels_are_gone) {
  const Box box = MUST(start_box(stage, "c1"));
  MUST(stage.power_cycle());
  Processes& processes = stage.kernel().processes();
  BOOST_CHECK(MUST(processes.list()).empty());
  BOOST_CHECK(!MUST(processes.find("c1")).has_value());
  BOOST_CHECK(!MUST(processes.alive(box.init)));
}

CASE(mounts_groups_and_devices_are_gone) {
  const Box box = MUST(start_box(stage, "c1"));
  MUST(stage.kernel().links().create_bridge("th-br0"));
  MUST(stage.kernel().files().sync(stage.scratch()));
  MUST(stage.power_cycle());
  BOOST_CHECK(MUST(stage.kernel().mounts().list(stage.scratch())).empty());
  BOOST_CHECK(MUST(stage.kernel().cgroups().children({})).empty());
  BOOST_CHECK(!MUST(stage.kernel().links().find(NetScope::node(), "th-br0")).has_value());
}

CASE(tmpfs_content_is_gone) {
  Files& files = stage.kernel().files();
  const std::string point = stage.scratch() + "/m";
  MUST(files.make_directory(point));
  MUST(files.sync(stage.scratch()));
  MUST(stage.kernel().mounts().tmpfs(point, {1 << 20}));
  MUST(files.write(point + "/f", "x"));
  MUST(files.sync(point + "/f"));
  MUST(files.sync(point));
  MUST(stage.power_cycle());
  BOOST_CHECK(MUST(stage.kernel().files().list(point)).empty());
}

CASE(quota_trees_keep_their_limits) {
  const std::string tree = stage.quota_area() + "/t";
  MUST(stage.kernel().quotas().create_tree(tree));
  const TreeLimit limit{{16 << 20}, {100}};
  const TreeLimit kept = MUST(stage.kernel().quotas().set_limit(tree, limit));
  MUST(stage.kernel().files().sync(stage.quota_area()));
  MUST(stage.power_cycle());
  BOOST_CHECK(MUST(stage.kernel().quotas().usage(tree)).limit == kept);
}

CASE(the_clock_starts_again_and_wall_time_goes_on) {
  MUST(stage.kernel().clock().sleep(seconds(100)));
  const WallTime wall = stage.kernel().clock().wall();
  MUST(stage.power_cycle());
  BOOST_CHECK(stage.kernel().clock().now() < Instant(seconds(100)));
  BOOST_CHECK(stage.kernel().clock().wall() >= wall);
}

CASE(the_label_can_be_used_again_after_a_boot) {
  const Box box = MUST(start_box(stage, "c1"));
  MUST(stage.power_cycle());
  Box again = MUST(start_box(stage, "c2"));
  SpawnSpec spec = box_spec(again, {"/bin/sleep", "1000"});
  spec.label = "c1";
  MUST(stage.kernel().processes().spawn(spec));
}

CASE(images_of_a_checkpoint_survive) {
  Box box = MUST(start_box(stage, "c1", {"/bin/sh", "-c", "while true; do sleep 0.1; done"}));
  const std::string images = stage.scratch() + "/images";
  MUST(stage.kernel().files().make_directory(images));
  MUST(stage.kernel().files().sync(stage.scratch()));
  DumpSpec dump;
  dump.images = images;
  MUST(stage.kernel().checkpoints().dump(box.init, dump));
  MUST(stage.power_cycle());
  box = MUST(make_box(stage, "c1"));
  RestoreSpec restore;
  restore.label = "c1";
  restore.root = box.root;
  restore.cgroup = box.group;
  restore.images = images;
  const RestoreResult restored = MUST(stage.kernel().checkpoints().restore(restore));
  BOOST_CHECK(MUST(stage.kernel().processes().alive(restored.init)));
}

}  // namespace

Area power_area() {
  return {"power", cases()};
}

}  // namespace twinhull::contract
