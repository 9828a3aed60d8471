// Chooses a backend, opens a node on it, and runs one command there.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/config/layout.h"
#include "runtime/kernel/channels.h"
#include "runtime/kernel/result.h"
#include "runtime/node/session.h"

namespace twinhull::linux_backend {
struct NodeOptions;
}

namespace twinhull::tools {

/// How a program was told to reach its node: options before the command, or the environment.
///   --backend linux|sim   TWINHULL_BACKEND
///   --world FILE          TWINHULL_WORLD  (simulator: the saved world)
///   --node NODE           TWINHULL_NODE   (simulator: a node's name; Linux: a node file)
struct BackendChoice {
  std::string backend;  ///< "linux", "sim", or empty: chosen by what this machine and user can do
  std::string world;    ///< empty = default_world_path()
  std::string node;     ///< empty = first node of the world; Linux: the whole machine
};

/// Takes the options above off the front of the arguments (after argv[0]).
/// Errors: invalid_argument naming the option.
Result<BackendChoice> take_backend_options(std::vector<std::string>& argv);

/// $XDG_STATE_HOME/twinhull/default.world, or ~/.local/state/….
std::string default_world_path();

/// A Linux node as a JSON file describes it: several can live side by side on one machine.
/// {"name": "n1", "layout_root": "/srv/n1", "run_directory": "/run/th-n1",
///  "cgroup_prefix": "twinhull/n1", "network_namespace": "/run/netns/th-n1",
///  "criu": "/opt/criu/sbin/criu",
///  "peers": {"n2": ["vzmigrate", "--serve", "{service}", …]}}
struct NodeFile {
  std::string name = "localhost";
  std::string layout_root;
  std::string run_directory = "/run/twinhull";
  std::string cgroup_prefix = "twinhull";
  std::string network_namespace;
  std::string criu;  ///< empty = searched for; TWINHULL_CRIU wins
  std::map<std::string, std::vector<std::string>> peers;
};
/// Errors: not_found, corrupt (naming the file, key and reason).
Result<NodeFile> read_node_file(const std::string& path);

/// How a program reaches other real nodes and answers them. Empty for programs that talk to no
/// other node: what it needs would cost each of their starts several milliseconds.
struct RemoteAccess {
  std::unique_ptr<Channels> (*channels)(const linux_backend::NodeOptions& options) = nullptr;
  /// The serving end of this service on our standard streams.
  Result<std::unique_ptr<Channel>> (*serve)(const std::string& service) = nullptr;
  /// The program of the same directory that has what this one lacks: it is run instead, with the
  /// same words, while a migration of this node has to be asked about. nullptr = there is none.
  const char* turns_into = nullptr;
  char** command_line = nullptr;
};

/// Runs `command` with `argv` on the chosen node and returns its exit code. Speaks on the
/// process's standard streams. The simulator's world is locked, loaded, and saved afterwards.
int run_on_backend(const BackendChoice& choice, CommandFunction command,
                   std::vector<std::string> argv, const RemoteAccess& remote = {});

}  // namespace twinhull::tools
