// main() of vzctl, vzlist, vzmigrate and the other commands: TWINHULL_COMMAND names the function.
#include <cstdio>
#include <string>
#include <vector>

#include "tools/commands.h"
#include "tools/common/backend.h"
#ifdef TWINHULL_TALKS
#include "backends/linux/channel/channels.h"
#include "backends/linux/linux_kernel.h"
#endif

#define TH_STRING_INNER(x) #x
#define TH_STRING(x) TH_STRING_INNER(x)

int main(int argc, char** argv) {
  using namespace twinhull::tools;
  std::vector<std::string> words(argv, argv + argc);
  // Messages and logs name the command, not the path that it was called by.
  if (words.empty()) words.emplace_back();
  words[0] = TH_STRING(TWINHULL_COMMAND);
  const auto choice = take_backend_options(words);
  if (!choice) {
    std::fprintf(stderr, "%s: %s\n", words[0].c_str(), choice.error().message().c_str());
    return choice.error().exit_code;
  }
  RemoteAccess remote;
#ifdef TWINHULL_TURNS_INTO
  remote.turns_into = TWINHULL_TURNS_INTO;
  remote.command_line = argv;
#endif
#ifdef TWINHULL_TALKS
  remote.channels = &twinhull::linux_backend::make_channels;
  remote.serve = [](const std::string& service) {
    return twinhull::linux_backend::serve_standard_streams({service});
  };
#endif
  return run_on_backend(*choice, find_command(words[0]), words, remote);
}
