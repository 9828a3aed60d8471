// What the runtime relies on: Files, single objects.
#include <algorithm>

#include "runtime/kernel/contract/checks.h"
#include "runtime/kernel/files.h"

namespace twinhull::contract {
namespace {

std::vector<Case>& cases() {
  static std::vector<Case> list;
  return list;
}

FileInfo info_of(Files& files, const std::string& path) {
  const auto info = MUST(files.stat(path));
  BOOST_REQUIRE_MESSAGE(info.has_value(), path << " is not there");
  return *info;
}

bool is_there(Files& files, const std::string& path) {
  return MUST(files.stat(path)).has_value();
}

CASE(write_creates_and_read_returns_it) {
  Files& files = stage.kernel().files();
  const std::string path = stage.scratch() + "/f";
  MUST(files.write(path, "hello"));
  BOOST_CHECK_EQUAL(MUST(files.read(path)), "hello");
  const FileInfo info = info_of(files, path);
  BOOST_CHECK(info.kind == FileKind::regular);
  BOOST_CHECK_EQUAL(info.size.value, 5);
  BOOST_CHECK_EQUAL(info.mode, 0644);
  BOOST_CHECK_EQUAL(info.links, 1);
}

CASE(write_replaces_the_whole_content) {
  Files& files = stage.kernel().files();
  const std::string path = stage.scratch() + "/f";
  MUST(files.write(path, "a long content"));
  MUST(files.write(path, "x"));
  BOOST_CHECK_EQUAL(MUST(files.read(path)), "x");
  MUST(files.write(path, ""));
  BOOST_CHECK_EQUAL(MUST(files.read(path)), "");
}

CASE(write_applies_its_mode_on_creation_only) {
  Files& files = stage.kernel().files();
  const std::string path = stage.scratch() + "/f";
  MUST(files.write(path, "x", 0600));
  BOOST_CHECK_EQUAL(info_of(files, path).mode, 0600);
  MUST(files.write(path, "y", 0755));
  BOOST_CHECK_EQUAL(info_of(files, path).mode, 0600);
}

CASE(write_keeps_any_byte) {
  Files& files = stage.kernel().files();
  std::string content;
  for (int i = 0; i < 1024; ++i) content += static_cast<char>(i % 256);
  MUST(files.write(stage.scratch() + "/f", content));
  BOOST_CHECK(MUST(files.read(stage.scratch() + "/f")) == content);
}

CASE(write_needs_the_directory) {
  REFUSED(stage.kernel().files().write(stage.scratch() + "/no/f", "x"), not_found);
}

CASE(write_on_a_directory_is_refused) {
  REFUSED(stage.kernel().files().write(stage.scratch(), "x"), is_directory);
}

CASE(write_follows_a_final_link) {
  Files& files = stage.kernel().files();
  const std::string top = stage.scratch();
  MUST(files.write(top + "/f", "old"));
  MUST(files.make_symlink("f", top + "/l"));
  MUST(files.write(top + "/l", "new"));
  BOOST_CHECK_EQUAL(MUST(files.read(top + "/f")), "new");
  BOOST_CHECK(info_of(files, top + "/l").kind == FileKind::symlink);
}

CASE(append_creates_and_extends) {
  Files& files = stage.kernel().files();
  const std::string path = stage.scratch() + "/f";
  MUST(files.append(path, "one", 0640));
  MUST(files.append(path, "two"));
  BOOST_CHECK_EQUAL(MUST(files.read(path)), "onetwo");
  BOOST_CHECK_EQUAL(info_of(files, path).mode, 0640);
}

CASE(append_on_a_directory_is_refused) {
  REFUSED(stage.kernel().files().append(stage.scratch(), "x"), is_directory);
}

CASE(read_of_nothing_is_not_found) {
  REFUSED(stage.kernel().files().read(stage.scratch() + "/no"), not_found);
}

CASE(read_of_a_directory_is_refused) {
  REFUSED(stage.kernel().files().read(stage.scratch()), is_directory);
}

CASE(read_refuses_more_than_allowed_and_takes_exactly_as_much) {
  Files& files = stage.kernel().files();
  const std::string path = stage.scratch() + "/f";
  MUST(files.write(path, "12345"));
  BOOST_CHECK_EQUAL(MUST(files.read(path, {5})), "12345");
  REFUSED(files.read(path, {4}), limit_exceeded);
}

CASE(read_follows_links_and_refuses_a_loop) {
  Files& files = stage.kernel().files();
  const std::string top = stage.scratch();
  MUST(files.write(top + "/f", "x"));
  MUST(files.make_symlink("f", top + "/a"));
  MUST(files.make_symlink(top + "/a", top + "/b"));
  BOOST_CHECK_EQUAL(MUST(files.read(top + "/b")), "x");
  MUST(files.make_symlink("loop2", top + "/loop1"));
  MUST(files.make_symlink("loop1", top + "/loop2"));
  REFUSED(files.read(top + "/loop1"), too_many_links);
  MUST(files.make_symlink("nothing", top + "/dangling"));
  REFUSED(files.read(top + "/dangling"), not_found);
}

CASE(a_file_is_no_directory_on_the_way) {
  Files& files = stage.kernel().files();
  const std::string path = stage.scratch() + "/f";
  MUST(files.write(path, "x"));
  REFUSED(files.read(path + "/below"), not_directory);
  REFUSED(files.write(path + "/below", "x"), not_directory);
  REFUSED(files.make_directory(path + "/below"), not_directory);
  REFUSED(files.list(path), not_directory);
}

CASE(intermediate_links_are_followed) {
  Files& files = stage.kernel().files();
  const std::string top = stage.scratch();
  MUST(files.make_directory(top + "/d"));
  MUST(files.make_symlink("d", top + "/l"));
  MUST(files.write(top + "/l/f", "x"));
  BOOST_CHECK_EQUAL(MUST(files.read(top + "/d/f")), "x");
}

CASE(paths_must_be_absolute_and_without_dot_dot) {
  Files& files = stage.kernel().files();
  const std::string top = stage.scratch();
  for (const std::string& path :
       {std::string(), std::string("f"), std::string("./f"), top + "/../x", top + "/..",
        std::string("/../x"), top + "/no/../x"}) {
    REFUSED(files.read(path), invalid_argument);
    REFUSED(files.write(path, "x"), invalid_argument);
    REFUSED(files.stat(path), invalid_argument);
    REFUSED(files.make_directory(path), invalid_argument);
    REFUSED(files.remove(path), invalid_argument);
    REFUSED(files.remove_tree(path), invalid_argument);
    REFUSED(files.list(path), invalid_argument);
    REFUSED(files.sync(path), invalid_argument);
    REFUSED(files.rename(top + "/f", path), invalid_argument);
    REFUSED(files.rename(path, top + "/f"), invalid_argument);
    REFUSED(files.hard_link(top + "/f", path), invalid_argument);
    REFUSED(files.copy_tree(top + "/f", path), invalid_argument);
  }
}

CASE(dots_inside_a_name_are_ordinary) {
  Files& files = stage.kernel().files();
  MUST(files.write(stage.scratch() + "/..f", "x"));
  MUST(files.write(stage.scratch() + "/a..b", "y"));
  BOOST_CHECK_EQUAL(MUST(files.read(stage.scratch() + "/..f")), "x");
}

CASE(doubled_slashes_mean_one) {
  Files& files = stage.kernel().files();
  MUST(files.write(stage.scratch() + "//f", "x"));
  BOOST_CHECK_EQUAL(MUST(files.read(stage.scratch() + "/f")), "x");
}

CASE(a_name_of_255_bytes_is_the_longest) {
  Files& files = stage.kernel().files();
  MUST(files.write(stage.scratch() + "/" + std::string(255, 'n'), "x"));
  REFUSED(files.write(stage.scratch() + "/" + std::string(256, 'n'), "x"), invalid_argument);
}

CASE(stat_of_nothing_is_no_error) {
  Files& files = stage.kernel().files();
  BOOST_CHECK(!is_there(files, stage.scratch() + "/no"));
  BOOST_CHECK(!is_there(files, stage.scratch() + "/no/deeper"));
}

CASE(stat_does_not_follow_a_final_link) {
  Files& files = stage.kernel().files();
  const std::string top = stage.scratch();
  MUST(files.make_symlink("nowhere", top + "/l"));
  const FileInfo info = info_of(files, top + "/l");
  BOOST_CHECK(info.kind == FileKind::symlink);
  BOOST_CHECK_EQUAL(info.size.value, 7);
}

CASE(stat_tells_one_file_from_another) {
  Files& files = stage.kernel().files();
  MUST(files.write(stage.scratch() + "/a", "x"));
  MUST(files.write(stage.scratch() + "/b", "x"));
  BOOST_CHECK(info_of(files, stage.scratch() + "/a").inode !=
              info_of(files, stage.scratch() + "/b").inode);
}

CASE(writing_moves_the_modification_time) {
  Files& files = stage.kernel().files();
  const std::string path = stage.scratch() + "/f";
  MUST(files.write(path, "a"));
  const WallTime before = info_of(files, path).modified;
  MUST(stage.kernel().clock().sleep(milliseconds(50)));
  MUST(files.write(path, "b"));
  BOOST_CHECK(info_of(files, path).modified > before);
}

CASE(list_is_sorted_and_complete) {
  Files& files = stage.kernel().files();
  const std::string top = stage.scratch();
  BOOST_CHECK(MUST(files.list(top)).empty());
  MUST(files.write(top + "/b", ""));
  MUST(files.write(top + "/B", ""));
  MUST(files.write(top + "/.hidden", ""));
  MUST(files.make_directory(top + "/a"));
  MUST(files.make_symlink("b", top + "/c"));
  const auto entries = MUST(files.list(top));
  BOOST_REQUIRE_EQUAL(entries.size(), 5);
  std::vector<std::string> names;
  for (const DirectoryEntry& entry : entries) names.push_back(entry.name);
  const std::vector<std::string> wanted = {".hidden", "B", "a", "b", "c"};
  BOOST_CHECK_EQUAL_COLLECTIONS(names.begin(), names.end(), wanted.begin(), wanted.end());
  BOOST_CHECK(entries[2].kind == FileKind::directory);
  BOOST_CHECK(entries[3].kind == FileKind::regular);
  BOOST_CHECK(entries[4].kind == FileKind::symlink);
}

CASE(list_of_nothing_is_not_found) {
  REFUSED(stage.kernel().files().list(stage.scratch() + "/no"), not_found);
}

CASE(make_directory_can_be_repeated) {
  Files& files = stage.kernel().files();
  const std::string path = stage.scratch() + "/d";
  CHANGED(files.make_directory(path, 0750));
  NO_EFFECT(files.make_directory(path, 0700));
  BOOST_CHECK(info_of(files, path).kind == FileKind::directory);
  BOOST_CHECK_EQUAL(info_of(files, path).mode, 0750);
}

CASE(make_directory_refuses_what_is_no_directory) {
  Files& files = stage.kernel().files();
  const std::string path = stage.scratch() + "/f";
  MUST(files.write(path, "x"));
  REFUSED(files.make_directory(path), exists);
  REFUSED(files.make_directory(stage.scratch() + "/no/d"), not_found);
}

CASE(remove_takes_files_links_and_empty_directories) {
  Files& files = stage.kernel().files();
  const std::string top = stage.scratch();
  MUST(files.write(top + "/f", "x"));
  MUST(files.make_symlink("f", top + "/l"));
  MUST(files.make_directory(top + "/d"));
  CHANGED(files.remove(top + "/l"));
  BOOST_CHECK(is_there(files, top + "/f"));  // the link went, not its target
  CHANGED(files.remove(top + "/f"));
  CHANGED(files.remove(top + "/d"));
  BOOST_CHECK(MUST(files.list(top)).empty());
}

CASE(remove_can_be_repeated) {
  Files& files = stage.kernel().files();
  NO_EFFECT(files.remove(stage.scratch() + "/no"));
  NO_EFFECT(files.remove(stage.scratch() + "/no/deeper"));
}

CASE(remove_refuses_a_filled_directory) {
  Files& files = stage.kernel().files();
  MUST(files.make_directory(stage.scratch() + "/d"));
  MUST(files.write(stage.scratch() + "/d/f", "x"));
  REFUSED(files.remove(stage.scratch() + "/d"), not_empty);
  BOOST_CHECK(is_there(files, stage.scratch() + "/d/f"));
}

CASE(rename_moves_and_replaces_a_file) {
  Files& files = stage.kernel().files();
  const std::string top = stage.scratch();
  MUST(files.write(top + "/a", "new"));
  MUST(files.write(top + "/b", "old"));
  const std::uint64_t inode = info_of(files, top + "/a").inode;
  MUST(files.rename(top + "/a", top + "/b"));
  BOOST_CHECK(!is_there(files, top + "/a"));
  BOOST_CHECK_EQUAL(MUST(files.read(top + "/b")), "new");
  BOOST_CHECK_EQUAL(info_of(files, top + "/b").inode, inode);
}

CASE(rename_moves_a_directory_with_its_content) {
  Files& files = stage.kernel().files();
  const std::string top = stage.scratch();
  MUST(files.make_directory(top + "/a"));
  MUST(files.write(top + "/a/f", "x"));
  MUST(files.make_directory(top + "/b"));  // empty: is replaced
  MUST(files.rename(top + "/a", top + "/b"));
  BOOST_CHECK_EQUAL(MUST(files.read(top + "/b/f")), "x");
  BOOST_CHECK(!is_there(files, top + "/a"));
}

CASE(rename_refuses_what_does_not_fit) {
  Files& files = stage.kernel().files();
  const std::string top = stage.scratch();
  MUST(files.make_directory(top + "/empty"));
  MUST(files.make_directory(top + "/full"));
  MUST(files.write(top + "/full/f", "x"));
  MUST(files.write(top + "/file", "x"));
  REFUSED(files.rename(top + "/no", top + "/x"), not_found);
  REFUSED(files.rename(top + "/file", top + "/no/x"), not_found);
  REFUSED(files.rename(top + "/empty", top + "/full"), not_empty);
  REFUSED(files.rename(top + "/file", top + "/empty"), is_directory);
  REFUSED(files.rename(top + "/empty", top + "/file"), not_directory);
  REFUSED(files.rename(top + "/full", top + "/full/below"), invalid_argument);
  BOOST_CHECK_EQUAL(MUST(files.read(top + "/full/f")), "x");
}

CASE(rename_to_itself_changes_nothing) {
  Files& files = stage.kernel().files();
  const std::string path = stage.scratch() + "/f";
  MUST(files.write(path, "x"));
  MUST(files.rename(path, path));
  BOOST_CHECK_EQUAL(MUST(files.read(path)), "x");
}

CASE(hard_link_is_a_second_name) {
  Files& files = stage.kernel().files();
  const std::string top = stage.scratch();
  MUST(files.write(top + "/a", "x"));
  MUST(files.hard_link(top + "/a", top + "/b"));
  BOOST_CHECK_EQUAL(info_of(files, top + "/a").links, 2);
  BOOST_CHECK_EQUAL(info_of(files, top + "/a").inode, info_of(files, top + "/b").inode);
  MUST(files.write(top + "/b", "changed"));
  BOOST_CHECK_EQUAL(MUST(files.read(top + "/a")), "changed");
  MUST(files.remove(top + "/a"));
  BOOST_CHECK_EQUAL(info_of(files, top + "/b").links, 1);
  BOOST_CHECK_EQUAL(MUST(files.read(top + "/b")), "changed");
}

// Lock files are taken this way: exactly one of two can win.
CASE(hard_link_refuses_a_taken_name) {
  Files& files = stage.kernel().files();
  const std::string top = stage.scratch();
  MUST(files.write(top + "/a", "a"));
  MUST(files.write(top + "/b", "b"));
  REFUSED(files.hard_link(top + "/a", top + "/b"), exists);
  BOOST_CHECK_EQUAL(MUST(files.read(top + "/b")), "b");
  REFUSED(files.hard_link(top + "/no", top + "/c"), not_found);
}

CASE(symlinks_keep_their_text) {
  Files& files = stage.kernel().files();
  const std::string top = stage.scratch();
  MUST(files.make_symlink("../strange/./target ", top + "/l"));
  BOOST_CHECK_EQUAL(MUST(files.read_symlink(top + "/l")), "../strange/./target ");
  REFUSED(files.make_symlink("other", top + "/l"), exists);
  BOOST_CHECK_EQUAL(MUST(files.read_symlink(top + "/l")), "../strange/./target ");
}

CASE(read_symlink_needs_a_link) {
  Files& files = stage.kernel().files();
  MUST(files.write(stage.scratch() + "/f", "x"));
  REFUSED(files.read_symlink(stage.scratch() + "/f"), invalid_argument);
  REFUSED(files.read_symlink(stage.scratch() + "/no"), not_found);
}

CASE(set_mode_and_owner_are_seen_by_stat) {
  Files& files = stage.kernel().files();
  const std::string path = stage.scratch() + "/f";
  MUST(files.write(path, "x"));
  MUST(files.set_owner(path, {1000, 1001}));
  MUST(files.set_mode(path, 04755));  // after the owner: chown clears the set-user-id bit
  const FileInfo info = info_of(files, path);
  BOOST_CHECK_EQUAL(info.mode, 04755);
  BOOST_CHECK_EQUAL(info.uid, 1000);
  BOOST_CHECK_EQUAL(info.gid, 1001);
  REFUSED(files.set_mode(stage.scratch() + "/no", 0644), not_found);
  REFUSED(files.set_owner(stage.scratch() + "/no", {0, 0}), not_found);
}

CASE(new_objects_belong_to_root) {
  Files& files = stage.kernel().files();
  MUST(files.write(stage.scratch() + "/f", "x"));
  const FileInfo info = info_of(files, stage.scratch() + "/f");
  BOOST_CHECK_EQUAL(info.uid, 0);
  BOOST_CHECK_EQUAL(info.gid, 0);
}

CASE(sync_takes_files_and_directories) {
  Files& files = stage.kernel().files();
  MUST(files.write(stage.scratch() + "/f", "x"));
  MUST(files.sync(stage.scratch() + "/f"));
  MUST(files.sync(stage.scratch()));
  REFUSED(files.sync(stage.scratch() + "/no"), not_found);
}

CASE(a_large_file_takes_its_space) {
  Files& files = stage.kernel().files();
  const std::string path = stage.scratch() + "/f";
  const std::string content(4 << 20, 'x');
  MUST(files.write(path, content));
  MUST(files.sync(path));
  const FileInfo info = info_of(files, path);
  BOOST_CHECK_EQUAL(info.size.value, content.size());
  BOOST_CHECK(MUST(files.read(path)) == content);
  BOOST_CHECK(info.allocated.value > 0);
}

}  // namespace

Area files_area() {
  return {"files", cases()};
}

}  // namespace twinhull::contract
