#include "backends/linux/channel/touched_entries.h"

#include <fcntl.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <vector>

#include "backends/linux/errno_error.h"
#include "backends/linux/file/test_directory.h"

using namespace twinhull;
using namespace twinhull::linux_backend;
namespace fs = std::filesystem;

namespace {

struct Tree : TestDirectory {
  mutable std::vector<std::string> opened;  ///< none: the whole file system was synced

  Tree() {
    fs::create_directories(*this / "var/log");
    std::ofstream(*this / "var/log/messages") << "a line";
    std::ofstream(*this / "top") << "a line";
  }
  [[nodiscard]] Status sync(const TouchedEntries& touched) const {
    return touched.sync(path(), "test", [this](const std::string& below) -> Result<UniqueFd> {
      opened.push_back(below);
      UniqueFd directory(::open((*this / below).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      if (!directory) return system_error("test", below, errno);
      return directory;
    });
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(touched_entries)

BOOST_AUTO_TEST_CASE(few_entries_are_synced_one_by_one) {
  const Tree tree;
  TouchedEntries touched;
  for (const char* path : {"", "top", "var/log", "var/log/messages", "top"}) touched.note(path);
  BOOST_TEST(tree.sync(touched).has_value());
  BOOST_TEST(tree.opened == (std::vector<std::string>{"", "", "var", "var/log"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(many_entries_and_special_ones_are_a_matter_for_the_whole_file_system) {
  const Tree tree;
  TouchedEntries many, other;
  for (std::size_t i = 0; i <= TouchedEntries::kMost; ++i) many.note("f" + std::to_string(i));
  other.note("top");
  other.note_other();
  other.note("var");
  BOOST_TEST(tree.sync(many).has_value());
  BOOST_TEST(tree.sync(other).has_value());
  BOOST_TEST(tree.opened.empty());
}

BOOST_AUTO_TEST_CASE(an_entry_that_cannot_be_opened_is_no_reason_to_leave_it_out) {
  const Tree tree;
  fs::create_symlink("top", tree / "link");
  for (const char* path : {"gone", "link"}) {
    TouchedEntries touched;
    touched.note(path);
    BOOST_TEST(tree.sync(touched).has_value());
  }
  // What cannot be synced as a whole either is an error.
  TouchedEntries touched;
  touched.note_other();
  const Status refused = touched.sync(tree / "no such tree", "test", {});
  BOOST_TEST_REQUIRE(!refused.has_value());
  BOOST_TEST((refused.error().code == ErrorCode::not_found));
}

BOOST_AUTO_TEST_SUITE_END()
