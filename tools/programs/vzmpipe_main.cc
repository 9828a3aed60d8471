// main() of vzmpipe, a login shell: what it lets in is the migration service, in this process when
// the account has the rights of root, else by sudo.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "backends/linux/channel/channels.h"
#include "backends/linux/linux_kernel.h"
#include "runtime/migrate/serve.h"
#include "tools/commands.h"
#include "tools/common/backend.h"
#include "tools/vzmpipe/request.h"

namespace {

/// Where this program lies: vzmigrate is beside it.
std::string own_directory() {
  char path[4096];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof(path));
  const std::string text(path, length > 0 ? static_cast<std::size_t>(length) : 0);
  const std::size_t slash = text.rfind('/');
  return slash == std::string::npos ? "/usr/sbin" : text.substr(0, slash);
}

int serve_through_sudo() {
  using namespace twinhull;
  const std::string program = own_directory() + "/" + tools::kPipeProgram;
  ::execlp("sudo", "sudo", "-n", program.c_str(), tools::kPipeOption, kMigrationService,
           static_cast<char*>(nullptr));
  std::perror("vzmpipe: this account is not root, and sudo cannot be run");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace twinhull;
  using namespace twinhull::tools;
  // The node is the machine's own, or one that the peer table of a test names here: never one that
  // a variable from the other side names.
  for (const char* name : {"TWINHULL_BACKEND", "TWINHULL_NODE", "TWINHULL_WORLD", "TWINHULL_CRIU"})
    ::unsetenv(name);
  std::vector<std::string> words(argv, argv + argc);
  if (words.empty()) words.emplace_back();
  words[0] = "vzmpipe";
  auto choice = take_backend_options(words);
  if (!choice) {
    std::fprintf(stderr, "vzmpipe: %s\n", choice.error().message().c_str());
    return choice.error().exit_code;
  }
  const Status allowed = check_pipe_request(words);
  if (allowed) {
    if (::geteuid() != 0) return serve_through_sudo();
    RemoteAccess remote;
    remote.channels = &linux_backend::make_channels;
    remote.serve = [](const std::string& service) {
      return linux_backend::serve_standard_streams({service});
    };
    choice->backend = "linux";
    return run_on_backend(*choice, find_command("vzmigrate"),
                          {kPipeProgram, kPipeOption, kMigrationService}, remote);
  }
  if (::geteuid() == 0) return run_on_backend(*choice, find_command("vzmpipe"), words);
  // Without the rights of root there is no node to log at; the error stream goes to the peer.
  if (words.size() == 2 && words[1] == "--help")
    return run_on_backend(*choice, find_command("vzmpipe"), words);
  std::fprintf(stderr, "vzmpipe: %s\n", allowed.error().message().c_str());
  return allowed.error().exit_code;
}
