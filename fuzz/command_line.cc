// Command lines: any words end with an exit code and, on failure, with a line that says why. The
// world's books stay right and nothing leaks.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/base_stage.h"
#include "fuzz/oracle.h"

using namespace twinhull;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4096) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // One command a line; words are separated by blanks, "\x01" stands for a blank inside a word.
  fuzz::Sandbox sandbox;
  std::size_t lines = 0;
  for (std::size_t at = 0; at <= text.size() && lines < 6; ++lines) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::vector<std::string> words(1);
    for (const char letter : text.substr(at, end - at)) {
      if (letter == ' ')
        words.emplace_back();
      else if (letter != '\0')
        words.back() += letter == '\x01' ? ' ' : letter;
    }
    std::erase_if(words, [](const std::string& word) { return word.empty(); });
    at = end + 1;
    if (words.empty()) continue;
    // Every program by its name; anything else is a command line of vzctl.
    if (!words[0].starts_with("vz")) words.insert(words.begin(), "vzctl");
    const auto ended = sandbox.run("n1", words);
    if (!ended) continue;  // a command that waits for an hour of virtual time is none the worse
    fuzz::require(ended->exit_code >= 0 && ended->exit_code <= 255, "an exit code is a byte");
    const bool runs_programs = words.size() > 1 && (words[1].starts_with("exec") ||
                                                    words[1] == "enter" || words[1] == "runscript");
    if (ended->exit_code != 0 && !runs_programs)
      fuzz::require(!ended->error.empty() || !ended->out.empty(), "a failure says why", words[0]);
  }
  sandbox.require_sound();
  return 0;
}
