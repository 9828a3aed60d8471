#include "backends/linux/channel/followed_files.h"

#include <fcntl.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "backends/linux/channel/frame.h"
#include "backends/linux/file/test_directory.h"

using namespace twinhull;
using namespace twinhull::linux_backend;
namespace fs = std::filesystem;

namespace {

struct Directory : TestDirectory {
  void append(const std::string& name, const std::string& text) const {
    std::ofstream(*this / name, std::ios::app) << text;
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream stream(*this / name);
    std::ostringstream text;
    text << stream.rdbuf();
    return text.str();
  }
};

class Author final : public TreeAuthor {
 public:
  Result<bool> go_on(Duration) override { return true; }
  [[nodiscard]] bool only_grows(const std::string& name) const override { return name.starts_with("pages-"); }
  [[nodiscard]] Bytes expected() const override { return {}; }
};

std::string piece(const std::string& name, std::uint64_t offset, const std::string& content) {
  std::string text = name + '\0';
  for (int i = 0; i < 8; ++i) text += static_cast<char>((offset >> (8 * i)) & 0xff);
  return text + content;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(followed_files)

BOOST_AUTO_TEST_CASE(a_file_that_grows_comes_over_in_pieces) {
  const Directory from, to;
  const Author author;
  FileFollower follower(from.path(), author, 100, "test");
  PieceStore store(to.path(), "test");
  std::size_t pieces = 0;
  const auto carry = [&](std::string_view bytes) -> Result<std::uint64_t> {
    ++pieces;
    const std::uint64_t sum = frame_checksum(FrameType::tree_piece, bytes);
    TH_TRY(store.store(bytes, sum));
    return sum;
  };
  BOOST_TEST(follower.send_new(false, carry).has_value());
  from.append("pages-1.img", std::string(250, 'a'));
  from.append("pages-2.img", std::string(99, 'b'));
  from.append("core-1.img", std::string(500, 'c'));
  BOOST_TEST(follower.send_new(false, carry).has_value());
  BOOST_TEST(pieces == 2U);  // whole ones
  BOOST_TEST(to.read("pages-1.img") == std::string(200, 'a'));
  from.append("pages-1.img", std::string(30, 'd'));
  BOOST_TEST(follower.send_new(false, carry).has_value());
  BOOST_TEST(pieces == 2U);
  from.append("pages-2.img", std::string(5, 'e'));
  BOOST_TEST(follower.send_new(false, carry).has_value());
  BOOST_TEST(pieces == 3U);
  from.append("pages-3.img", std::string(5, 'f'));
  BOOST_TEST(follower.send_new(true, carry).has_value());
  BOOST_TEST(to.read("pages-1.img") == from.read("pages-1.img"));
  BOOST_TEST(to.read("pages-2.img") == from.read("pages-2.img"));
  // Small ones, and those that others may write to again, are the archive's.
  BOOST_TEST(!fs::exists(to / "pages-3.img"));
  BOOST_TEST(!fs::exists(to / "core-1.img"));
  BOOST_REQUIRE(follower.files().size() == 2U && store.files().size() == 2U);
  for (const auto& [name, file] : follower.files()) {
    BOOST_TEST(file.size == fs::file_size(to / name));
    BOOST_TEST(store.files().at(name).size == file.size);
    BOOST_TEST(store.files().at(name).digest.text() == file.digest.text());
  }
}

BOOST_AUTO_TEST_CASE(a_file_that_shrinks_is_an_error) {
  const Directory from;
  const Author author;
  FileFollower follower(from.path(), author, 100, "test");
  from.append("pages-1.img", std::string(300, 'a'));
  const auto cut = [&](std::string_view) -> Result<std::uint64_t> {
    fs::resize_file(from / "pages-1.img", 50);
    return std::uint64_t{0};
  };
  BOOST_TEST(!follower.send_new(false, cut).has_value());
}

BOOST_AUTO_TEST_CASE(pieces_lead_nowhere_else) {
  const Directory to;
  PieceStore store(to.path(), "test");
  const auto refused = [&](const std::string& bytes) {
    const Status stored = store.store(bytes, 0);
    BOOST_REQUIRE(!stored);
    return stored.error().code;
  };
  for (const char* name : {"", ".", "..", "../x", "a/b", "/etc/x"})
    BOOST_TEST((refused(piece(name, 0, "x")) == ErrorCode::protocol), name);
  BOOST_TEST((refused("no zero byte") == ErrorCode::protocol));
  BOOST_TEST((refused(std::string("short\0offset", 12)) == ErrorCode::protocol));
  BOOST_TEST((refused(piece(std::string(300, 'n'), 0, "x")) == ErrorCode::protocol));
  // A file begins at its beginning and has no gaps.
  BOOST_TEST((refused(piece("f", 1, "x")) == ErrorCode::protocol));
  BOOST_TEST(store.store(piece("f", 0, "abc"), 0).has_value());
  for (const std::uint64_t offset : {0U, 2U, 4U})
    BOOST_TEST((refused(piece("f", offset, "x")) == ErrorCode::protocol));
  BOOST_TEST(store.store(piece("g", 0, "other"), 0).has_value());
  BOOST_TEST(store.store(piece("f", 3, "def"), 0).has_value());
  BOOST_TEST(to.read("f") == "abcdef");
  // What was there is not written through.
  fs::create_symlink(to / "f", to / "link");
  BOOST_TEST((refused(piece("link", 0, "x")) == ErrorCode::exists));
  to.append("here", "already");
  BOOST_TEST((refused(piece("here", 0, "x")) == ErrorCode::exists));
  BOOST_TEST(to.read("f") == "abcdef");
}

BOOST_AUTO_TEST_SUITE_END()
