// What the runtime relies on: Mounts.
#include "runtime/kernel/contract/checks.h"
#include "runtime/kernel/contract/containers.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/mounts.h"

namespace twinhull::contract {
namespace {

std::vector<Case>& cases() {
  static std::vector<Case> list;
  return list;
}

// Directories low, upper, work and root below scratch(); low holds f, g and d/h.
struct Layers {
  std::string low, upper, work, root;
  [[nodiscard]] OverlaySpec spec() const { return {{low}, upper, work}; }
};

Layers make_layers(ContractStage& stage) {
  Files& files = stage.kernel().files();
  const std::string top = stage.scratch();
  const Layers layers{top + "/low", top + "/upper", top + "/work", top + "/root"};
  for (const std::string& path : {layers.low, layers.upper, layers.work, layers.root})
    MUST(files.make_directory(path));
  MUST(files.write(layers.low + "/f", "low f"));
  MUST(files.write(layers.low + "/g", "low g"));
  MUST(files.make_directory(layers.low + "/d"));
  MUST(files.write(layers.low + "/d/h", "low h"));
  return layers;
}

CASE(overlay_shows_the_lower_layer) {
  Files& files = stage.kernel().files();
  const Layers layers = make_layers(stage);
  MUST(stage.kernel().mounts().overlay(layers.root, layers.spec()));
  BOOST_CHECK_EQUAL(MUST(files.read(layers.root + "/f")), "low f");
  BOOST_CHECK_EQUAL(MUST(files.read(layers.root + "/d/h")), "low h");
  BOOST_CHECK_EQUAL(MUST(files.list(layers.root)).size(), 3);
}

CASE(overlay_writes_go_to_the_upper_layer_only) {
  Files& files = stage.kernel().files();
  const Layers layers = make_layers(stage);
  const std::string before = MUST(files.digest_tree(layers.low));
  MUST(stage.kernel().mounts().overlay(layers.root, layers.spec()));
  MUST(files.write(layers.root + "/f", "changed"));
  MUST(files.append(layers.root + "/d/h", " more"));
  MUST(files.write(layers.root + "/new", "new"));
  BOOST_CHECK_EQUAL(MUST(files.read(layers.root + "/f")), "changed");
  BOOST_CHECK_EQUAL(MUST(files.read(layers.root + "/d/h")), "low h more");
  BOOST_CHECK_EQUAL(MUST(files.read(layers.upper + "/f")), "changed");
  BOOST_CHECK_EQUAL(MUST(files.read(layers.upper + "/d/h")), "low h more");
  BOOST_CHECK_EQUAL(MUST(files.read(layers.upper + "/new")), "new");
  BOOST_CHECK(!MUST(files.stat(layers.upper + "/g")).has_value());
  BOOST_CHECK_EQUAL(MUST(files.digest_tree(layers.low)), before);
}

CASE(overlay_removal_hides_the_lower_file) {
  Files& files = stage.kernel().files();
  const Layers layers = make_layers(stage);
  MUST(stage.kernel().mounts().overlay(layers.root, layers.spec()));
  CHANGED(files.remove(layers.root + "/f"));
  CHANGED(files.remove_tree(layers.root + "/d"));
  BOOST_CHECK(!MUST(files.stat(layers.root + "/f")).has_value());
  BOOST_CHECK(!MUST(files.stat(layers.root + "/d")).has_value());
  BOOST_CHECK_EQUAL(MUST(files.list(layers.root)).size(), 1);
  BOOST_CHECK_EQUAL(MUST(files.read(layers.low + "/f")), "low f");
  // The name can be used again, and a new directory does not show the old content.
  MUST(files.make_directory(layers.root + "/d"));
  BOOST_CHECK(MUST(files.list(layers.root + "/d")).empty());
}

CASE(overlay_changes_are_there_after_the_next_mount) {
  Files& files = stage.kernel().files();
  Mounts& mounts = stage.kernel().mounts();
  const Layers layers = make_layers(stage);
  MUST(mounts.overlay(layers.root, layers.spec()));
  MUST(files.write(layers.root + "/new", "new"));
  MUST(files.remove(layers.root + "/f"));
  CHANGED(mounts.unmount(layers.root));
  BOOST_CHECK(MUST(files.list(layers.root)).empty());
  MUST(mounts.overlay(layers.root, layers.spec()));
  BOOST_CHECK_EQUAL(MUST(files.read(layers.root + "/new")), "new");
  BOOST_CHECK(!MUST(files.stat(layers.root + "/f")).has_value());
}

CASE(the_first_lower_layer_is_topmost) {
  Files& files = stage.kernel().files();
  const Layers layers = make_layers(stage);
  const std::string over = stage.scratch() + "/over";
  MUST(files.make_directory(over));
  MUST(files.write(over + "/f", "over f"));
  OverlaySpec spec = layers.spec();
  spec.lowers = {over, layers.low};
  MUST(stage.kernel().mounts().overlay(layers.root, spec));
  BOOST_CHECK_EQUAL(MUST(files.read(layers.root + "/f")), "over f");
  BOOST_CHECK_EQUAL(MUST(files.read(layers.root + "/g")), "low g");
}

CASE(overlay_needs_its_layers_and_its_target) {
  Mounts& mounts = stage.kernel().mounts();
  const Layers layers = make_layers(stage);
  const std::string no = stage.scratch() + "/no";
  REFUSED(mounts.overlay(no, layers.spec()), not_found);
  REFUSED(mounts.overlay(layers.root, {{no}, layers.upper, layers.work}), not_found);
  REFUSED(mounts.overlay(layers.root, {{layers.low}, no, layers.work}), not_found);
  REFUSED(mounts.overlay(layers.root, {{layers.low}, layers.upper, no}), not_found);
  REFUSED(mounts.overlay(layers.root, {{}, layers.upper, layers.work}), invalid_argument);
  REFUSED(mounts.overlay(layers.low + "/f", layers.spec()), not_directory);
  BOOST_CHECK(!MUST(mounts.find(layers.root)).has_value());
}

CASE(nothing_is_mounted_twice_on_one_point) {
  Mounts& mounts = stage.kernel().mounts();
  const Layers layers = make_layers(stage);
  MUST(mounts.overlay(layers.root, layers.spec()));
  REFUSED(mounts.overlay(layers.root, layers.spec()), busy);
  REFUSED(mounts.tmpfs(layers.root, {1 << 20}), busy);
  REFUSED(mounts.bind(layers.low, layers.root), busy);
}

CASE(find_and_list_tell_what_is_mounted) {
  Mounts& mounts = stage.kernel().mounts();
  Files& files = stage.kernel().files();
  const Layers layers = make_layers(stage);
  BOOST_CHECK(!MUST(mounts.find(layers.root)).has_value());
  BOOST_CHECK(MUST(mounts.list(stage.scratch())).empty());
  MUST(mounts.overlay(layers.root, layers.spec()));
  MUST(files.make_directory(layers.root + "/t"));
  MUST(mounts.tmpfs(layers.root + "/t", {1 << 20}));
  const auto found = MUST(mounts.find(layers.root));
  BOOST_REQUIRE(found.has_value());
  BOOST_CHECK_EQUAL(found->target, layers.root);
  BOOST_CHECK_EQUAL(found->type, "overlay");
  BOOST_CHECK(!found->read_only);
  const auto all = MUST(mounts.list(stage.scratch()));
  BOOST_REQUIRE_EQUAL(all.size(), 2);
  BOOST_CHECK_EQUAL(all[0].target, layers.root);
  BOOST_CHECK_EQUAL(all[1].target, layers.root + "/t");
  BOOST_CHECK_EQUAL(all[1].type, "tmpfs");
}

// A prefix is a directory, not a string: /vz/root/10 is not above /vz/root/101.
CASE(list_takes_whole_components) {
  Mounts& mounts = stage.kernel().mounts();
  Files& files = stage.kernel().files();
  const std::string top = stage.scratch();
  MUST(files.make_directory(top + "/m1"));
  MUST(mounts.tmpfs(top + "/m1", {1 << 20}));
  BOOST_CHECK(MUST(mounts.list(top + "/m")).empty());
  BOOST_CHECK_EQUAL(MUST(mounts.list(top + "/m1")).size(), 1);
  BOOST_CHECK_EQUAL(MUST(mounts.list(top)).size(), 1);
}

CASE(find_wants_the_exact_target) {
  Mounts& mounts = stage.kernel().mounts();
  MUST(stage.kernel().files().make_directory(stage.scratch() + "/m"));
  MUST(mounts.tmpfs(stage.scratch() + "/m", {1 << 20}));
  BOOST_CHECK(!MUST(mounts.find(stage.scratch())).has_value());
  MUST(stage.kernel().files().make_directory(stage.scratch() + "/m/below"));
  BOOST_CHECK(!MUST(mounts.find(stage.scratch() + "/m/below")).has_value());
}

CASE(bind_shows_the_same_directory) {
  Files& files = stage.kernel().files();
  Mounts& mounts = stage.kernel().mounts();
  const Layers layers = make_layers(stage);
  MUST(mounts.bind(layers.low, layers.root));
  BOOST_CHECK_EQUAL(MUST(files.read(layers.root + "/f")), "low f");
  MUST(files.write(layers.root + "/new", "x"));
  BOOST_CHECK_EQUAL(MUST(files.read(layers.low + "/new")), "x");
  const auto found = MUST(mounts.find(layers.root));
  BOOST_REQUIRE(found.has_value());
  BOOST_CHECK_EQUAL(found->type, "bind");
  BOOST_CHECK_EQUAL(found->source, layers.low);
}

CASE(a_read_only_bind_refuses_writes) {
  Files& files = stage.kernel().files();
  Mounts& mounts = stage.kernel().mounts();
  const Layers layers = make_layers(stage);
  MUST(mounts.bind(layers.low, layers.root, true));
  REFUSED(files.write(layers.root + "/f", "x"), read_only);
  REFUSED(files.make_directory(layers.root + "/new"), read_only);
  REFUSED(files.remove(layers.root + "/f"), read_only);
  BOOST_CHECK_EQUAL(MUST(files.read(layers.root + "/f")), "low f");
  BOOST_CHECK(MUST(mounts.find(layers.root))->read_only);
  MUST(files.write(layers.low + "/f", "through the other name"));
}

CASE(bind_needs_both_directories) {
  Mounts& mounts = stage.kernel().mounts();
  const Layers layers = make_layers(stage);
  REFUSED(mounts.bind(stage.scratch() + "/no", layers.root), not_found);
  REFUSED(mounts.bind(layers.low, stage.scratch() + "/no"), not_found);
  REFUSED(mounts.bind(layers.low, layers.low + "/f"), not_directory);
}

CASE(tmpfs_holds_no_more_than_its_size) {
  Files& files = stage.kernel().files();
  const std::string point = stage.scratch() + "/m";
  MUST(files.make_directory(point));
  MUST(stage.kernel().mounts().tmpfs(point, {4 << 20}));
  MUST(files.write(point + "/a", std::string(3 << 20, 'x')));
  REFUSED(files.write(point + "/b", std::string(2 << 20, 'x')), no_space);
  MUST(files.remove(point + "/a"));
  MUST(files.remove(point + "/b"));
  MUST(files.write(point + "/b", std::string(3 << 20, 'x')));
}

CASE(unmount_takes_the_mount_and_what_tmpfs_held) {
  Files& files = stage.kernel().files();
  Mounts& mounts = stage.kernel().mounts();
  const std::string point = stage.scratch() + "/m";
  MUST(files.make_directory(point));
  MUST(files.write(point + "/below", "x"));
  MUST(mounts.tmpfs(point, {1 << 20}));
  BOOST_CHECK(MUST(files.list(point)).empty());
  MUST(files.write(point + "/inside", "x"));
  CHANGED(mounts.unmount(point));
  const auto entries = MUST(files.list(point));
  BOOST_REQUIRE_EQUAL(entries.size(), 1);
  BOOST_CHECK_EQUAL(entries[0].name, "below");
}

CASE(unmount_of_nothing_has_no_effect) {
  Mounts& mounts = stage.kernel().mounts();
  NO_EFFECT(mounts.unmount(stage.scratch()));
  NO_EFFECT(mounts.unmount(stage.scratch(), true));
}

CASE(unmount_refuses_while_something_is_mounted_below) {
  Mounts& mounts = stage.kernel().mounts();
  Files& files = stage.kernel().files();
  const std::string point = stage.scratch() + "/m";
  MUST(files.make_directory(point));
  MUST(mounts.tmpfs(point, {1 << 20}));
  MUST(files.make_directory(point + "/n"));
  MUST(mounts.tmpfs(point + "/n", {1 << 20}));
  REFUSED(mounts.unmount(point), busy);
  CHANGED(mounts.unmount(point + "/n"));
  CHANGED(mounts.unmount(point));
}

CASE(a_lazy_unmount_takes_what_is_below_too) {
  Mounts& mounts = stage.kernel().mounts();
  Files& files = stage.kernel().files();
  const std::string point = stage.scratch() + "/m";
  MUST(files.make_directory(point));
  MUST(mounts.tmpfs(point, {1 << 20}));
  MUST(files.make_directory(point + "/n"));
  MUST(mounts.tmpfs(point + "/n", {1 << 20}));
  CHANGED(mounts.unmount(point, true));
  BOOST_CHECK(MUST(mounts.list(stage.scratch())).empty());
}

CASE(unmount_leaves_the_root_of_a_running_container_alone) {
  const Box box = MUST(start_box(stage, "c1"));
  Mounts& mounts = stage.kernel().mounts();
  // Whether or not the node's mount could go (the container has its own mount namespace), its
  // programs must go on.
  const auto unmounted = mounts.unmount(box.root);
  if (!unmounted) BOOST_CHECK(unmounted.error().code == ErrorCode::busy);
  BOOST_CHECK_EQUAL(MUST(shell_output(stage, box, "echo alive")), "alive");
}

}  // namespace

Area mounts_area() {
  return {"mounts", cases()};
}

}  // namespace twinhull::contract
