// What a malicious peer's archive must not reach.
#include "backends/linux/channel/hostile_archive.h"

#include <sys/stat.h>

#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "backends/linux/channel/tree_reader.h"
#include "backends/linux/channel/tree_writer.h"
#include "backends/linux/file/test_directory.h"

using namespace twinhull;
using namespace twinhull::linux_backend;

namespace {

using Kind = HostileEntry::Kind;
namespace fs = std::filesystem;

/// A directory to be filled, and beside it one that must stay as it is.
struct Fixture {
  Fixture() {
    fs::create_directory(top);
    fs::create_directory(outside);
    std::ofstream(secret) << "secret";
    fs::permissions(secret, fs::perms::owner_read);
  }

  Result<Unpacked> read(const std::string& bytes, bool update) {
    bool given = false;
    return read_tree_archive(top, "test", {.update = update, .partial = update, .durable = false},
                             [&]() -> Result<std::optional<std::string>> {
                               if (std::exchange(given, true)) return std::nullopt;
                               return bytes;
                             });
  }

  /// Reading fails with `code`, and nothing outside has changed.
  void refused(const std::vector<HostileEntry>& entries, ErrorCode code, bool update = false) {
    const auto result = read(hostile_archive(entries), update);
    BOOST_TEST_CONTEXT("last entry " << entries.back().path) {
      BOOST_REQUIRE(!result);
      BOOST_TEST((result.error().code == code),
                 result.error().message());
      untouched();
    }
  }

  void untouched() const {
    std::ifstream stream(secret);
    const std::string content{std::istreambuf_iterator<char>(stream), {}};
    BOOST_TEST(content == "secret");
    struct stat facts {};
    BOOST_REQUIRE(::stat(secret.c_str(), &facts) == 0);
    BOOST_TEST(facts.st_nlink == 1U);
    BOOST_TEST((facts.st_mode & 07777U) == 0400U);
    BOOST_TEST(std::distance(fs::directory_iterator(outside), {}) == 1);
    BOOST_TEST(std::distance(fs::directory_iterator(sandbox.path()), {}) == 2);
  }

  TestDirectory sandbox;
  const std::string top = sandbox / "top";
  const std::string outside = sandbox / "outside";
  const std::string secret = outside + "/secret";
};

}  // namespace

BOOST_AUTO_TEST_SUITE(linux_hostile_archive)

BOOST_FIXTURE_TEST_CASE(names_that_lead_out_are_refused, Fixture) {
  for (const char* const path : {"../outside/new", "a/../../outside/new", "..", "a//b", "a/./b", "./a"})
    for (const Kind kind : {Kind::file, Kind::directory, Kind::fifo})
      refused({{Kind::directory, "a"}, {kind, path, {}, "x"}}, ErrorCode::protocol, true);
  refused({{Kind::file, secret, {}, "x"}}, ErrorCode::protocol);
  refused({{Kind::symlink, outside + "/new", "x"}}, ErrorCode::protocol);
}

BOOST_FIXTURE_TEST_CASE(no_link_is_followed, Fixture) {
  for (const std::string& target : {outside, std::string("../outside")}) {
    refused({{Kind::symlink, "a", target}, {Kind::file, "a/new", {}, "x"}}, ErrorCode::not_directory, true);
    refused({{Kind::symlink, "a", target}, {Kind::file, "a/secret", {}, "x"}},
            ErrorCode::not_directory, true);
    refused({{Kind::symlink, "a", target}, {Kind::file, "a/secret", {}, {}, {std::string(kGoneMark)}}},
            ErrorCode::not_directory, true);
    refused({{Kind::symlink, "a", target}, {Kind::directory, "a", {}, {}, {std::string(kKeptMark)}}},
            ErrorCode::protocol, true);
  }
  // In the place of a link comes the file: the link's target is not written to.
  BOOST_TEST(read(hostile_archive({{Kind::symlink, "b", secret}, {Kind::file, "b", {}, "x"}}), true)
                 .has_value());
  untouched();
  refused({{Kind::symlink, "c", secret}, {Kind::file, "c", {}, "x"}}, ErrorCode::exists);
}

BOOST_FIXTURE_TEST_CASE(a_directory_that_became_a_link_is_not_finished_outside, Fixture) {
  // Directories get their modes last: by then this name is a link.
  const auto result = read(hostile_archive({{Kind::directory, "a"},
                                            {Kind::directory, "a/b"},
                                            {Kind::symlink, "a", outside}}),
                           true);
  BOOST_TEST(result.has_value());
  struct stat facts {};
  BOOST_REQUIRE(::stat(outside.c_str(), &facts) == 0);
  BOOST_TEST(facts.st_mtime != 1);
  untouched();
}

BOOST_FIXTURE_TEST_CASE(hard_links_stay_inside, Fixture) {
  for (const std::string& target : {secret, std::string("../outside/secret"), std::string("a/../../outside/secret")})
    refused({{Kind::hard_link, "b", target}}, ErrorCode::protocol, true);
  refused({{Kind::symlink, "a", outside}, {Kind::hard_link, "b", "a/secret"}},
          ErrorCode::not_directory, true);
  refused({{Kind::hard_link, "b", "nothing"}}, ErrorCode::not_found, true);
}

BOOST_FIXTURE_TEST_CASE(marks_of_an_update_are_refused_where_a_tree_is_filled, Fixture) {
  for (const std::string_view mark : {kKeptMark, kGoneMark})
    refused({{Kind::file, "a", {}, {}, {std::string(mark)}}}, ErrorCode::protocol, false);
  refused({{Kind::directory, ".", {}, {}, {std::string(kGoneMark)}}}, ErrorCode::protocol, true);
  refused({{Kind::file, ".", {}, "x"}}, ErrorCode::protocol, true);
}

BOOST_FIXTURE_TEST_CASE(broken_streams_are_refused, Fixture) {
  const std::string good =
      hostile_archive({{Kind::directory, "."}, {Kind::file, "a", {}, std::string(3000, 'x')}});
  BOOST_REQUIRE(read(good, true));
  // Cut inside a file, and damaged in a header.
  for (const std::size_t length : {good.size() / 2, std::size_t{700}})
    BOOST_TEST(!read(good.substr(0, length), true).has_value());
  std::string damaged = good;
  damaged[3] = static_cast<char>(damaged[3] ^ 0x40);
  BOOST_TEST(!read(damaged, true).has_value());
  BOOST_TEST(!read(std::string(4096, 'n'), true).has_value());
  untouched();
}

BOOST_AUTO_TEST_SUITE_END()
