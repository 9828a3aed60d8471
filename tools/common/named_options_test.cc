#include "tools/common/named_options.h"

#include <boost/test/unit_test.hpp>
#include <vector>

namespace twinhull::tools {
namespace {

BOOST_AUTO_TEST_SUITE(named_options)

BOOST_AUTO_TEST_CASE(what_a_word_may_name) {
  const std::vector<std::string> words = {"-r", "yes", "--new-id=5", "-tj", "n2", "101"};
  const NamedOptions named(words);
  for (const char* spellings : {"-r,--remove-area", "--remove,-r", "--new-id", "-t", "-j,--json", "--new"})
    BOOST_TEST(named.may_have(spellings), spellings);
  for (const char* spellings : {"-s,--nostart", "--online,--live", "-n", "-y", "--new-id-2", "-e"})
    BOOST_TEST(!named.may_have(spellings), spellings);
}

BOOST_AUTO_TEST_CASE(help_names_all) {
  for (const char* word : {"-h", "--help", "-vh"}) {
    const std::vector<std::string> words = {"101", word};
    BOOST_TEST(NamedOptions(words).may_have("--anything"), word);
  }
  BOOST_TEST(NamedOptions().may_have("--anything"));
  BOOST_TEST(!NamedOptions(std::vector<std::string>{}).may_have("--anything"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::tools
