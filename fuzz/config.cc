// Configuration files: whatever the text, reading it never crashes, a rewrite keeps every line that
// was not changed, and what was set is what is read back.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "fuzz/oracle.h"
#include "runtime/config/config_file.h"

using namespace twinhull;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto parsed = ConfigFile::parse(text, "fuzz.conf");
  if (!parsed) {
    fuzz::require(!parsed.error().message().empty(), "a refusal says why");
    return 0;
  }
  // Writing back changes nothing, except for a newline that may be missing at the end.
  const std::string once = parsed->text();
  std::string expected(text);
  if (!expected.empty() && expected.back() != '\n') expected += '\n';
  fuzz::require(once == expected || once == text, "an unchanged file is written as it was read");

  auto again = ConfigFile::parse(once, "fuzz.conf");
  fuzz::require(again.has_value(), "what was written can be read");
  for (const std::string& key : parsed->keys())
    fuzz::require(parsed->get(key) == again->get(key), "values survive a round trip");

  // A value taken from the input itself, set and read back through text.
  const std::string value(text.substr(0, text.find_first_of(std::string_view("\n\0\r", 3))));
  if (again->set("FUZZ_KEY", value)) {
    auto third = ConfigFile::parse(again->text(), "fuzz.conf");
    fuzz::require(third.has_value(), "a file with a new value can be read");
    fuzz::require(third->get("FUZZ_KEY") == value, "a value is read as it was set");
    for (const std::string& key : parsed->keys())
      if (key != "FUZZ_KEY")
        fuzz::require(third->get(key) == parsed->get(key), "other keys keep their values");
    fuzz::require(third->unset("FUZZ_KEY"), "a set key can be removed");
    fuzz::require(!third->get("FUZZ_KEY"), "a removed key is gone");
  }
  return 0;
}
