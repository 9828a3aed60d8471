#include "backends/linux/testing/ssh_host.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "backends/linux/run_tool.h"
#include "backends/linux/testing/sweep.h"

namespace twinhull::linux_backend::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kOperation = "testing.ssh";
constexpr int kTries = 100;

// Makes the mount namespace and becomes sshd. $1 own files, $2 place for the new root, $3 group,
// $4 programs, $5 node file, $6 root of the node.
constexpr const char* kScript = R"sh(
set -eu
for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/*; do
  [ -e "$hierarchy/cgroup.procs" ] || continue
  mkdir -p "$hierarchy/$3" 2>/dev/null || continue
  if echo 0 2>/dev/null >"$hierarchy/$3/cgroup.procs"; then break; fi
  rmdir "$hierarchy/$3"
done
mount --make-rprivate /
mount -t tmpfs -o mode=755 th-ssh "$2"
mkdir "$2/upper" "$2/work" "$2/top"
mount -t overlay th-ssh -o "lowerdir=/,upperdir=$2/upper,workdir=$2/work" "$2/top"
top=$2/top
for part in dev proc sys tmp; do mount --rbind "/$part" "$top/$part"; done
mount -t tmpfs -o mode=755 th-run "$top/run"
mkdir -p "$top/run/sshd" "$top/vz" "$top/etc/vz" "$top/root/.ssh" "$top/mnt"
mount --rbind "$6/vz" "$top/vz"
mount --rbind "$6/etc/vz" "$top/etc/vz"
for program in vzmigrate vzctl vzmsetkey; do
  rm -f "$top/usr/sbin/$program"
  printf '#!/bin/sh\nexec %s/%s --backend linux --node %s "$@"\n' "$4" "$program" "$5" \
    >"$top/usr/sbin/$program"
  chmod 755 "$top/usr/sbin/$program"
done
cp "$4/vzmpipe" "$top/usr/sbin/vzmpipe"
account() { # account NAME NUMBER
  echo "$1:x:$2:$2::/home/$1:/usr/sbin/vzmpipe" >>"$top/etc/passwd"
  echo "$1:*:20000::::::" >>"$top/etc/shadow"
  mkdir -p "$top/home/$1"
  chown "$2:$2" "$top/home/$1"
  chmod 755 "$top/home/$1"
}
account vzagent 2001
account vzplain 2002
account vzadmin 0
cp "$top/etc/passwd" "$6/etc/passwd"
mkdir -p "$top/etc/sudoers.d"
echo 'vzagent ALL=(root) NOPASSWD: /usr/sbin/vzmigrate --serve migrate' >"$top/etc/sudoers.d/vzagent"
chmod 440 "$top/etc/sudoers.d/vzagent"
cp "$1/root_key.pub" "$top/root/.ssh/authorized_keys"
chmod 700 "$top/root" "$top/root/.ssh"
chmod 600 "$top/root/.ssh/authorized_keys"
cd "$top"
pivot_root . mnt
umount -l mnt
exec /usr/sbin/sshd -f "$1/sshd_config" -E "$1/sshd.log"
)sh";

Status write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  file.close();
  if (file) return {};
  return fail(ErrorCode::input_output, kOperation, path, "cannot be written");
}

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

Status wait_for(const std::string& pid_file, const std::string& log) {
  for (int attempt = 0; attempt < kTries; ++attempt) {
    if (!read_file(pid_file).empty()) return {};
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return fail(ErrorCode::timed_out, kOperation, "sshd", "does not come up: " + read_file(log));
}

}  // namespace

Result<std::unique_ptr<SshHost>> SshHost::start(const TestNode& node,
                                                const SshHostOptions& options) {
  for (const char* program : {"/usr/sbin/sshd", "/usr/bin/sudo", "/usr/bin/ssh-keygen"})
    if (!fs::exists(program))
      return fail(ErrorCode::not_supported, kOperation, program, "is missing")
          .with_hint("run: ci/bootstrap --test");
  TH_TRY(node.enter());
  std::unique_ptr<SshHost> host(new SshHost);
  host->files_ = node.directory() + "/ssh";
  host->group_ = fmt::format("{}{}-ssh", kGroupPrefix, ::getpid());
  const std::string place = node.directory() + "/ssh-root";
  fs::remove_all(host->files_);  // of one before
  for (const std::string& path : {host->files_, place}) fs::create_directory(path);
  for (const char* key : {"host_key", "root_key", "agent_key", "other_key"})
    TH_TRY(run_tool_well(
        {"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key, "-f", host->file(key)},
        kOperation, key));
  TH_TRY(write_file(host->file("known_hosts"), fmt::format("[{}]:{} {}", options.address, kPort,
                                                           read_file(host->file("host_key.pub")))));
  TH_TRY(write_file(
      host->file("sshd_config"),
      fmt::format("ListenAddress {}:{}\nHostKey {}\nPidFile {}\nUsePAM no\nUseDNS no\n"
                  "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
                  "PermitRootLogin prohibit-password\nLogLevel VERBOSE\n",
                  options.address, kPort, host->file("host_key"), host->file("sshd.pid"))));
  TH_TRY(run_tool_well({"unshare", "--mount", "sh", "-c", kScript, "th-ssh", host->files_, place,
                        host->group_, options.bin_directory, options.node_file, node.root()},
                       kOperation, "sshd"));
  TH_TRY(wait_for(host->file("sshd.pid"), host->file("sshd.log")));
  return host;
}

SshHost::~SshHost() {
  if (const Status gone = remove_groups(group_); !gone)
    fmt::print(stderr, "sshd of the test: {}\n", gone.error().message());
}

std::string SshHost::options(const std::string& key) const {
  return fmt::format("-F none -p {} -i {} -oIdentitiesOnly=yes -oUserKnownHostsFile={}", kPort,
                     file(key), file("known_hosts"));
}

}  // namespace twinhull::linux_backend::testing
