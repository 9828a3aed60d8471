// What the runtime relies on: Files, whole trees and the inside of roots.
#include "runtime/kernel/contract/checks.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/mounts.h"

namespace twinhull::contract {
namespace {

std::vector<Case>& cases() {
  static std::vector<Case> list;
  return list;
}

// d/, d/f (5 bytes), d/g (a second name of d/f), d/sub/, d/sub/h (3 bytes), d/l -> f
void make_tree(Files& files, const std::string& top) {
  MUST(files.make_directory(top));
  MUST(files.write(top + "/f", "12345"));
  MUST(files.hard_link(top + "/f", top + "/g"));
  MUST(files.make_directory(top + "/sub", 0700));
  MUST(files.write(top + "/sub/h", "abc", 0640));
  MUST(files.set_owner(top + "/sub/h", {7, 8}));
  MUST(files.make_symlink("f", top + "/l"));
}

CASE(measure_counts_bytes_once_and_the_top_too) {
  Files& files = stage.kernel().files();
  make_tree(files, stage.scratch() + "/d");
  const TreeSize size = MUST(files.measure_tree(stage.scratch() + "/d"));
  BOOST_CHECK_EQUAL(size.bytes.value, 8);
  // top, f (= g), sub, sub/h, l
  BOOST_CHECK_EQUAL(size.inodes.value, 5);
}

CASE(measure_takes_a_single_file) {
  Files& files = stage.kernel().files();
  MUST(files.write(stage.scratch() + "/f", "123"));
  BOOST_CHECK((MUST(files.measure_tree(stage.scratch() + "/f")) == TreeSize{{3}, {1}}));
  REFUSED(files.measure_tree(stage.scratch() + "/no"), not_found);
}

CASE(measure_stays_on_its_file_system) {
  Files& files = stage.kernel().files();
  const std::string top = stage.scratch() + "/d";
  MUST(files.make_directory(top));
  MUST(files.make_directory(top + "/mnt"));
  MUST(stage.kernel().mounts().tmpfs(top + "/mnt", {1 << 20}));
  MUST(files.write(top + "/mnt/f", "12345"));
  BOOST_CHECK_EQUAL(MUST(files.measure_tree(top)).bytes.value, 0);
}

CASE(copy_is_equal_and_independent) {
  Files& files = stage.kernel().files();
  const std::string from = stage.scratch() + "/d", to = stage.scratch() + "/copy";
  make_tree(files, from);
  const TreeSize copied = MUST(files.copy_tree(from, to));
  BOOST_CHECK(copied == MUST(files.measure_tree(from)));
  BOOST_CHECK(copied == MUST(files.measure_tree(to)));
  BOOST_CHECK_EQUAL(MUST(files.digest_tree(from)), MUST(files.digest_tree(to)));
  MUST(files.write(to + "/f", "other"));
  BOOST_CHECK_EQUAL(MUST(files.read(from + "/f")), "12345");
}

CASE(copy_keeps_modes_owners_links_and_times) {
  Files& files = stage.kernel().files();
  const std::string from = stage.scratch() + "/d", to = stage.scratch() + "/copy";
  make_tree(files, from);
  MUST(stage.kernel().clock().sleep(milliseconds(30)));
  MUST(files.copy_tree(from, to));
  const FileInfo wanted = *MUST(files.stat(from + "/sub/h"));
  const FileInfo got = *MUST(files.stat(to + "/sub/h"));
  BOOST_CHECK_EQUAL(got.mode, 0640);
  BOOST_CHECK_EQUAL(got.uid, 7);
  BOOST_CHECK_EQUAL(got.gid, 8);
  BOOST_CHECK(got.modified == wanted.modified);
  BOOST_CHECK_EQUAL(MUST(files.stat(to + "/sub"))->mode, 0700);
  BOOST_CHECK_EQUAL(MUST(files.read_symlink(to + "/l")), "f");
  BOOST_CHECK_EQUAL(MUST(files.stat(to + "/f"))->links, 2);
  BOOST_CHECK_EQUAL(MUST(files.stat(to + "/f"))->inode, MUST(files.stat(to + "/g"))->inode);
}

CASE(copy_refuses_an_existing_target_and_a_missing_source) {
  Files& files = stage.kernel().files();
  make_tree(files, stage.scratch() + "/d");
  MUST(files.make_directory(stage.scratch() + "/there"));
  REFUSED(files.copy_tree(stage.scratch() + "/d", stage.scratch() + "/there"), exists);
  BOOST_CHECK(MUST(files.list(stage.scratch() + "/there")).empty());
  REFUSED(files.copy_tree(stage.scratch() + "/no", stage.scratch() + "/x"), not_found);
  BOOST_CHECK(!MUST(files.stat(stage.scratch() + "/x")).has_value());
}

CASE(digest_is_sixteen_hexadecimal_digits) {
  Files& files = stage.kernel().files();
  make_tree(files, stage.scratch() + "/d");
  const std::string digest = MUST(files.digest_tree(stage.scratch() + "/d"));
  BOOST_CHECK_EQUAL(digest.size(), 16);
  BOOST_CHECK_EQUAL(digest.find_first_not_of("0123456789abcdef"), std::string::npos);
  REFUSED(files.digest_tree(stage.scratch() + "/no"), not_found);
}

CASE(digest_sees_each_kind_of_change) {
  Files& files = stage.kernel().files();
  const std::string top = stage.scratch() + "/d";
  make_tree(files, top);
  std::string last = MUST(files.digest_tree(top));
  const auto differs = [&](std::string_view what) {
    const std::string now = MUST(files.digest_tree(top));
    BOOST_CHECK_MESSAGE(now != last, "the digest overlooks " << what);
    last = now;
  };
  MUST(files.write(top + "/f", "12346"));
  differs("content of the same length");
  MUST(files.set_mode(top + "/f", 0600));
  differs("a mode");
  MUST(files.set_owner(top + "/f", {5, 5}));
  differs("an owner");
  MUST(files.rename(top + "/sub/h", top + "/sub/i"));
  differs("a name");
  MUST(files.remove(top + "/l"));
  MUST(files.make_symlink("g", top + "/l"));
  differs("the target of a link");
  MUST(files.make_directory(top + "/empty"));
  differs("an empty directory");
}

CASE(digest_does_not_see_times_and_places) {
  Files& files = stage.kernel().files();
  make_tree(files, stage.scratch() + "/a");
  MUST(stage.kernel().clock().sleep(milliseconds(30)));
  make_tree(files, stage.scratch() + "/b");
  BOOST_CHECK_EQUAL(MUST(files.digest_tree(stage.scratch() + "/a")),
                    MUST(files.digest_tree(stage.scratch() + "/b")));
}

CASE(remove_tree_takes_everything_and_can_be_repeated) {
  Files& files = stage.kernel().files();
  const std::string top = stage.scratch() + "/d";
  make_tree(files, top);
  MUST(files.write(stage.scratch() + "/outside", "x"));
  MUST(files.make_symlink(stage.scratch() + "/outside", top + "/out"));
  CHANGED(files.remove_tree(top));
  BOOST_CHECK(!MUST(files.stat(top)).has_value());
  BOOST_CHECK_EQUAL(MUST(files.read(stage.scratch() + "/outside")), "x");
  NO_EFFECT(files.remove_tree(top));
}

CASE(remove_tree_takes_a_single_file) {
  Files& files = stage.kernel().files();
  MUST(files.write(stage.scratch() + "/f", "x"));
  CHANGED(files.remove_tree(stage.scratch() + "/f"));
}

CASE(remove_tree_does_not_cross_a_mount) {
  Files& files = stage.kernel().files();
  const std::string top = stage.scratch() + "/d";
  MUST(files.make_directory(top));
  MUST(files.make_directory(top + "/mnt"));
  MUST(stage.kernel().mounts().tmpfs(top + "/mnt", {1 << 20}));
  MUST(files.write(top + "/mnt/f", "x"));
  REFUSED(files.remove_tree(top), busy);
  BOOST_CHECK_EQUAL(MUST(files.read(top + "/mnt/f")), "x");
}

CASE(a_mount_point_is_neither_removed_nor_renamed) {
  Files& files = stage.kernel().files();
  const std::string point = stage.scratch() + "/mnt";
  MUST(files.make_directory(point));
  MUST(stage.kernel().mounts().tmpfs(point, {1 << 20}));
  REFUSED(files.remove(point), busy);
  REFUSED(files.rename(point, stage.scratch() + "/other"), busy);
}

CASE(names_do_not_cross_file_systems) {
  Files& files = stage.kernel().files();
  const std::string point = stage.scratch() + "/mnt", file = stage.scratch() + "/f";
  MUST(files.make_directory(point));
  MUST(stage.kernel().mounts().tmpfs(point, {1 << 20}));
  MUST(files.write(file, "x"));
  REFUSED(files.rename(file, point + "/f"), cross_device);
  REFUSED(files.hard_link(file, point + "/f"), cross_device);
  BOOST_CHECK_EQUAL(MUST(files.read(file)), "x");
}

CASE(copy_crosses_file_systems) {
  Files& files = stage.kernel().files();
  const std::string point = stage.scratch() + "/mnt";
  MUST(files.make_directory(point));
  MUST(stage.kernel().mounts().tmpfs(point, {1 << 20}));
  make_tree(files, stage.scratch() + "/d");
  MUST(files.copy_tree(stage.scratch() + "/d", point + "/d"));
  BOOST_CHECK_EQUAL(MUST(files.digest_tree(stage.scratch() + "/d")),
                    MUST(files.digest_tree(point + "/d")));
}

CASE(a_full_file_system_refuses_and_keeps_what_it_has) {
  Files& files = stage.kernel().files();
  const std::string point = stage.scratch() + "/mnt";
  MUST(files.make_directory(point));
  MUST(stage.kernel().mounts().tmpfs(point, {1 << 20}));
  MUST(files.write(point + "/small", "kept"));
  REFUSED(files.write(point + "/big", std::string(2 << 20, 'x')), no_space);
  BOOST_CHECK_EQUAL(MUST(files.read(point + "/small")), "kept");
}

CASE(read_inside_reads_what_lies_below_the_root) {
  Files& files = stage.kernel().files();
  const std::string root = stage.scratch() + "/root";
  make_tree(files, root);
  BOOST_CHECK_EQUAL(MUST(files.read_inside(root, "/f")), "12345");
  BOOST_CHECK_EQUAL(MUST(files.read_inside(root, "/sub/h")), "abc");
  BOOST_CHECK_EQUAL(MUST(files.read_inside(root, "/l")), "12345");
  REFUSED(files.read_inside(root, "/no"), not_found);
  REFUSED(files.read_inside(root, "/sub"), is_directory);
  REFUSED(files.read_inside(stage.scratch() + "/no", "/f"), not_found);
  REFUSED(files.read_inside(root, "/f", {4}), limit_exceeded);
}

// A container's owner can make any link in its root.
CASE(no_link_leads_out_of_the_root) {
  Files& files = stage.kernel().files();
  const std::string root = stage.scratch() + "/root";
  MUST(files.make_directory(root));
  MUST(files.make_directory(root + "/etc"));
  MUST(files.write(stage.scratch() + "/secret", "secret"));
  MUST(files.write(root + "/etc/passwd", "inside"));
  MUST(files.make_symlink(stage.scratch() + "/secret", root + "/absolute"));
  MUST(files.make_symlink("../secret", root + "/relative"));
  MUST(files.make_symlink("../../../../../../../../" + stage.scratch() + "/secret", root + "/far"));
  MUST(files.make_symlink("/", root + "/top"));
  MUST(files.make_symlink("..", root + "/up"));
  for (const std::string path : {"/absolute", "/relative", "/far", "/up/secret"})
    REFUSED(files.read_inside(root, path), not_found);
  for (const std::string path : {"/top/etc/passwd", "/up/etc/passwd"})
    BOOST_CHECK_EQUAL(MUST(files.read_inside(root, path)), "inside");
  BOOST_CHECK(!MUST(files.exists_inside(root, "/absolute")));
  BOOST_CHECK(!MUST(files.exists_inside(root, "/up/secret")));
  BOOST_CHECK(MUST(files.exists_inside(root, "/top/etc/passwd")));
}

CASE(a_loop_inside_a_root_is_refused) {
  Files& files = stage.kernel().files();
  const std::string root = stage.scratch() + "/root";
  MUST(files.make_directory(root));
  MUST(files.make_symlink("b", root + "/a"));
  MUST(files.make_symlink("a", root + "/b"));
  REFUSED(files.read_inside(root, "/a"), too_many_links);
}

CASE(exists_inside_answers_without_error) {
  Files& files = stage.kernel().files();
  const std::string root = stage.scratch() + "/root";
  make_tree(files, root);
  MUST(files.make_symlink("nothing", root + "/dangling"));
  BOOST_CHECK(MUST(files.exists_inside(root, "/f")));
  BOOST_CHECK(MUST(files.exists_inside(root, "/sub")));
  BOOST_CHECK(MUST(files.exists_inside(root, "/l")));
  BOOST_CHECK(!MUST(files.exists_inside(root, "/no/deeper")));
  BOOST_CHECK(!MUST(files.exists_inside(root, "/dangling")));
}

}  // namespace

Area trees_area() {
  return {"trees", cases()};
}

}  // namespace twinhull::contract
