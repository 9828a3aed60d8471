// Manifests.
#include "backends/linux/channel/tree_manifest.h"

#include <boost/test/unit_test.hpp>
#include <vector>

#include "backends/linux/file/files.h"
#include "backends/linux/file/test_directory.h"

using namespace twinhull;
using namespace twinhull::linux_backend;

namespace {

std::string manifest_of(const std::string& path, bool digests) {
  std::string bytes;
  const Status written = write_manifest(path, digests, "test", [&](std::string_view piece) -> Status {
    bytes += piece;
    return {};
  });
  BOOST_REQUIRE_MESSAGE(written, (written ? "" : written.error().message()));
  return bytes;
}

std::vector<ManifestEntry> entries_of(const std::string& bytes, bool& good) {
  ManifestReader reader;
  reader.add(bytes);
  std::vector<ManifestEntry> entries;
  for (;;) {
    good = static_cast<bool>(reader.next());
    if (!good || !reader.here()) return entries;
    entries.push_back(*reader.here());
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(linux_tree_manifest)

BOOST_AUTO_TEST_CASE(a_manifest_says_what_is_there) {
  TestDirectory top;
  const auto files = make_files(NodeOptions{});
  const std::string tree = top / "t";
  BOOST_REQUIRE(files->make_directory(tree));
  for (const char* name : {"/a", "/a/b", "/a/b/c", "/a.d", "/z"})
    BOOST_REQUIRE(files->make_directory(tree + name));
  BOOST_REQUIRE(files->write(tree + "/a/b/c/f\xff\n", "one"));
  BOOST_REQUIRE(files->write(tree + "/a.d/f", "two"));
  BOOST_REQUIRE(files->hard_link(tree + "/a.d/f", tree + "/z/g"));
  const std::string bytes = manifest_of(tree, true);
  bool good = false;
  const auto entries = entries_of(bytes, good);
  BOOST_REQUIRE(good);
  std::vector<std::string> paths;
  for (const ManifestEntry& entry : entries) paths.push_back(entry.path);
  const std::vector<std::string> wanted = {"",    "a",     "a/b", "a/b/c", "a/b/c/f\xff\n",
                                           "a.d", "a.d/f", "z",   "z/g"};
  BOOST_TEST((paths == wanted));
  BOOST_TEST((entries[4].digest && entries[6].digest && *entries[4].digest != *entries[6].digest));
  BOOST_TEST((entries[8].same_as == 6U));
  BOOST_TEST(entries[4].size == 3U);
}

BOOST_AUTO_TEST_CASE(hostile_bytes_never_name_a_place_outside) {
  TestDirectory top;
  const auto files = make_files(NodeOptions{});
  const std::string tree = top / "t";
  BOOST_REQUIRE(files->make_directory(tree));
  BOOST_REQUIRE(files->make_directory(tree + "/dd"));
  BOOST_REQUIRE(files->write(tree + "/dd/ff", "one"));
  const std::string bytes = manifest_of(tree, false);
  bool good = false;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    entries_of(bytes.substr(0, i), good);
    for (const char byte : {'\0', '.', '/', '\xff'}) {
      std::string changed = bytes;
      changed[i] = byte;
      for (const ManifestEntry& entry : entries_of(changed, good)) {
        BOOST_TEST(!entry.path.starts_with('/'));
        BOOST_TEST(("/" + entry.path + "/").find("/../") == std::string::npos);
      }
    }
  }
  std::string climbing = bytes;
  climbing.replace(climbing.find("dd"), 2, "..");
  entries_of(climbing, good);
  BOOST_TEST(!good);
}

BOOST_AUTO_TEST_CASE(order_is_that_of_a_walk) {
  BOOST_TEST(walks_before("", "a"));
  BOOST_TEST(walks_before("a/z", "a.b"));
  BOOST_TEST(walks_before("a", "a/b"));
  BOOST_TEST(!walks_before("a", "a"));
  BOOST_TEST(walks_before("a", "\xff"));
  BOOST_TEST(is_below("a/b", "a"));
  BOOST_TEST(!is_below("a.b", "a"));
  BOOST_TEST(!is_below("", ""));
}

BOOST_AUTO_TEST_SUITE_END()
