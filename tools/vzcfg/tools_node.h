// A simulated node on which the tests run any command.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "tools/commands.h"
#include "tools/vzctl/simulated_node.h"
#include "tools/vzctl/split_words.h"

namespace twinhull::tools {

struct ToolsNode : SimulatedNode {
  /// A whole command line; `input` is what the person at the keyboard types.
  Outcome run(std::string_view line, const std::string& input = {}) {
    const std::vector<std::string> words = split_words(line);
    CapturedConsole console;
    Session session{kernel(), layout, console, [input] { return input; }};
    const int code = find_command(words.front())(session, words);
    return {code, console.out_text, console.error_text};
  }
  /// Runs it and checks the code and that exactly one line on the error stream holds `part`.
  void refused(const std::string& line, int code, const std::string& part) {
    const Outcome outcome = run(line);
    BOOST_TEST(outcome.code == code, line << ": " << outcome.text());
    BOOST_TEST(outcome.err.find(part) != std::string::npos, line << ": " << outcome.text());
    BOOST_TEST(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1,
               line << ": " << outcome.text());
    BOOST_TEST(outcome.out.empty(), line << ": " << outcome.text());
  }
  std::string done(const std::string& line) {
    const Outcome outcome = run(line);
    BOOST_TEST(outcome.code == 0, line << ": " << outcome.text());
    return outcome.out;
  }
  /// Every configuration file of the node with its text: to see that nothing changed.
  std::string configurations() {
    std::string text;
    const auto entries = kernel().files().list("/etc/vz/conf").value();
    for (const DirectoryEntry& entry : entries)
      if (entry.kind == FileKind::regular)
        text += entry.name + "\n" + file("/etc/vz/conf/" + entry.name).value_or("");
    return text;
  }
  /// Full paths of the samples.
  std::vector<std::string> samples() {
    std::vector<std::string> paths;
    const auto entries = kernel().files().list("/etc/vz/conf").value();
    for (const DirectoryEntry& entry : entries)
      if (entry.name.ends_with(".conf-sample")) paths.push_back("/etc/vz/conf/" + entry.name);
    return paths;
  }
};

}  // namespace twinhull::tools
