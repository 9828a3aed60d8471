// A real sshd as the door of a test node.
#pragma once

#include <memory>
#include <string>

#include "backends/linux/testing/node_fixture.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend::testing {

/// What the node is reached at, and what runs there.
struct SshHostOptions {
  std::string address;        ///< of the node, where sshd listens
  std::string bin_directory;  ///< of the programs
  std::string node_file;      ///< describes the node to them
};

/// sshd with keys, configuration and accounts of its own, in the node's network namespace and in a
/// mount namespace whose root is an overlay of the machine's: nothing of the machine changes. The
/// programs are in /usr/sbin there and work on the node; /vz and /etc/vz are the node's. Accounts:
///   root     in by `root_key`; its commands start in that mount namespace
///   vzagent  not root, its shell is vzmpipe, sudoers lets it start the service
///   vzplain  the same without the line in sudoers
///   vzadmin  user number 0, its shell is vzmpipe: works on the machine's own node, which is /vz
///   there
/// Whoever is killed with the test is found by the next one's sweep().
class SshHost {
 public:
  static constexpr int kPort = 2222;

  /// The calling thread is in the node's network namespace afterwards. Errors: not_supported (sshd,
  /// sudo or ssh-keygen is missing), those of the tools.
  static Result<std::unique_ptr<SshHost>> start(const TestNode& node,
                                                const SshHostOptions& options);
  ~SshHost();
  SshHost(const SshHost&) = delete;
  SshHost& operator=(const SshHost&) = delete;

  /// Words for ssh: port, known hosts, and the private key `key` ("root_key", "agent_key", and
  /// "other_key", which nobody knows).
  [[nodiscard]] std::string options(const std::string& key) const;
  /// A file of its own: keys, "known_hosts", "sshd.log".
  [[nodiscard]] std::string file(const std::string& name) const { return files_ + "/" + name; }

 private:
  SshHost() = default;
  std::string files_;
  std::string group_;
};

}  // namespace twinhull::linux_backend::testing
