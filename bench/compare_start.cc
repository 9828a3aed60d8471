// Whole-process times on the real kernel: start, exec and stop of a busybox container beside crun,
// runc and LXC, taken in turn in one run. Prints medians and the ratio to crun. Needs root.
//   compare_start BIN-DIRECTORY [ROUNDS]
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace {

using Words = std::vector<std::string>;
namespace fs = std::filesystem;

struct Run {
  int code = -1;
  double milliseconds = 0;
};

/// Runs one program to its end; `mount_namespace` ≥ 0 is entered first.
Run run(const Words& words, const std::string& log, int mount_namespace = -1) {
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const auto started = std::chrono::steady_clock::now();
  const pid_t child = fork();
  if (child == 0) {
    if (mount_namespace >= 0 && setns(mount_namespace, CLONE_NEWNS) != 0) _exit(125);
    const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(open("/dev/null", O_RDONLY), 0);
    dup2(out, 1);
    dup2(out, 2);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  const std::chrono::duration<double, std::milli> elapsed =
      std::chrono::steady_clock::now() - started;
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128, elapsed.count()};
}

/// A mount namespace without the v2 tree, which crun refuses beside v1 controllers.
int namespace_without_unified() {
  int ready[2];
  if (pipe(ready) != 0) return -1;
  const pid_t holder = fork();
  if (holder == 0) {
    bool good = unshare(CLONE_NEWNS) == 0 &&
                mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    if (good && fs::exists("/sys/fs/cgroup/unified"))
      good = umount2("/sys/fs/cgroup/unified", MNT_DETACH) == 0;
    const char byte = good ? 'y' : 'n';
    if (write(ready[1], &byte, 1) != 1) _exit(1);
    pause();
    _exit(0);
  }
  char byte = 0;
  const bool good = read(ready[0], &byte, 1) == 1 && byte == 'y';
  const int descriptor =
      good ? open(("/proc/" + std::to_string(holder) + "/ns/mnt").c_str(), O_RDONLY | O_CLOEXEC) : -1;
  kill(holder, SIGKILL);
  waitpid(holder, nullptr, 0);
  return descriptor;
}

struct Subject {
  std::string name;
  Words start, exec, stop;
  int mount_namespace = -1;
  std::map<std::string, std::vector<double>> times;
  bool works = true;
};

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void measure(Subject& subject, const std::string& what, const Words& words, const std::string& log,
             bool counted) {
  if (words.empty() || !subject.works) return;
  const Run result = run(words, log, subject.mount_namespace);
  if (result.code != 0) {
    subject.works = false;
    std::fprintf(stderr, "compare_start: %s %s failed with %d; see %s\n", subject.name.c_str(),
                 what.c_str(), result.code, log.c_str());
  } else if (counted) {
    subject.times[what].push_back(result.milliseconds);
  }
}

void write_bundle(const std::string& bundle, const std::string& tree, const std::string& runtime,
                  const std::string& group, const std::string& log) {
  fs::create_directories(bundle);
  fs::remove(bundle + "/config.json");
  run({runtime, "spec", "--bundle", bundle}, log);
  std::ifstream in(bundle + "/config.json");
  auto config = nlohmann::json::parse(in, nullptr, false);
  if (config.is_discarded()) return;
  config["process"]["terminal"] = false;
  config["process"]["args"] = {"/sbin/init"};
  config["root"] = {{"path", tree}, {"readonly", false}};
  // The same limits that the container of ours has.
  config["linux"]["cgroupsPath"] = group;
  config["linux"]["resources"]["memory"] = {{"limit", 268435456}};
  config["linux"]["resources"]["cpu"] = {{"shares", 1024}};
  config["linux"]["resources"]["pids"] = {{"limit", 200}};
  std::ofstream(bundle + "/config.json") << config;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || geteuid() != 0) {
    std::fprintf(stderr, "usage (as root): compare_start BIN-DIRECTORY [ROUNDS]\n");
    return 2;
  }
  const std::string bin = fs::absolute(argv[1]);
  const int rounds = argc > 2 ? std::max(1, std::atoi(argv[2])) : 20;
  // Everything happens in namespaces of our own, which end with us.
  if (unshare(CLONE_NEWNS | CLONE_NEWNET) != 0 ||
      mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    std::perror("compare_start: namespaces");
    return 1;
  }
  char pattern[] = "/tmp/th-bench-XXXXXX";
  const std::string home = mkdtemp(pattern);
  mount("tmpfs", home.c_str(), "tmpfs", 0, "size=512m");
  const std::string log = home + "/log";
  const std::string group = "twinhull-bench-" + std::to_string(getpid());
  std::ofstream(home + "/node.json")
      << nlohmann::json{{"name", "bench"},
                        {"layout_root", home + "/node"},
                        {"run_directory", home + "/run"},
                        {"cgroup_prefix", group}};
  setenv("TWINHULL_NODE", (home + "/node.json").c_str(), 1);
  setenv("TWINHULL_BACKEND", "linux", 1);
  setenv("TWINHULL_ROOT", (home + "/node").c_str(), 1);

  const std::string vzctl = bin + "/vzctl";
  run({bin + "/vzlist"}, log);  // sets the node up
  // tmpfs has no tree quota: the comparison is about start, and the others set none either.
  std::ofstream(home + "/node/etc/vz/vz.conf", std::ios::app) << "DISK_QUOTA=\"no\"\n";
  bool ready = run({bin + "/vzpkg", "create", "cache", "busybox"}, log).code == 0;
  ready = ready && run({vzctl, "create", "101", "--ostemplate", "busybox", "--ipadd", "10.99.0.1"}, log)
                           .code == 0;
  ready = ready && run({vzctl, "set", "101", "--ram", "256M", "--numproc", "200", "--save"}, log).code == 0;

  const std::string tree = home + "/node/vz/template/cache/busybox";
  const int no_unified = namespace_without_unified();
  write_bundle(home + "/crun", tree, "crun", "/" + group + "-crun", log);
  write_bundle(home + "/runc", tree, "runc", "/" + group + "-runc", log);
  const std::string crun_state = home + "/crun-state", runc_state = home + "/runc-state";
  std::vector<Subject> subjects;
  subjects.push_back({"twinhull", {vzctl, "--quiet", "start", "101"},
                      {vzctl, "exec", "101", "true"}, {vzctl, "--quiet", "stop", "101", "--fast"}, -1, {}, ready});
  subjects.push_back({"crun",
                      {"crun", "--root", crun_state, "run", "-d", "--bundle", home + "/crun", "th-b"},
                      {"crun", "--root", crun_state, "exec", "th-b", "true"},
                      {"crun", "--root", crun_state, "delete", "-f", "th-b"}, no_unified, {}, true});
  subjects.push_back({"runc",
                      {"runc", "--root", runc_state, "run", "-d", "--bundle", home + "/runc", "th-b"},
                      {"runc", "--root", runc_state, "exec", "th-b", "true"},
                      {"runc", "--root", runc_state, "delete", "-f", "th-b"}, no_unified, {}, true});

  const std::string lxc = home + "/lxc";
  fs::create_directories(lxc + "/th-b");
  std::ofstream(lxc + "/th-b/config")
      << "lxc.rootfs.path = dir:" << tree << "\nlxc.uts.name = th-b\nlxc.net.0.type = empty\n"
      << "lxc.init.cmd = /sbin/init\nlxc.mount.auto = proc sys\n"
      << "lxc.cgroup.dir.container = " << group << "-lxc\nlxc.cgroup.dir.monitor = " << group
      << "-lxcm\nlxc.cgroup.dir.monitor.pivot = " << group << "-lxcp\n"
      << "lxc.cgroup.memory.limit_in_bytes = 268435456\nlxc.cgroup.pids.max = 200\n";
  subjects.push_back({"lxc", {"lxc-start", "-P", lxc, "-n", "th-b", "-d"},
                      {"lxc-attach", "-P", lxc, "-n", "th-b", "--", "/bin/true"},
                      {"lxc-stop", "-P", lxc, "-n", "th-b", "-k"}, -1, {}, true});

  constexpr int kWarmUp = 2;
  for (int round = -kWarmUp; round < rounds; ++round)
    for (Subject& subject : subjects) {
      measure(subject, "start", subject.start, log, round >= 0);
      measure(subject, "exec", subject.exec, log, round >= 0);
      measure(subject, "stop", subject.stop, log, round >= 0);
    }

  std::printf("busybox container, %d rounds in turn; median wall ms (ratio to crun)\n", rounds);
  std::printf("%-10s %18s %18s %18s\n", "", "start", "exec", "stop");
  const Subject& reference = subjects[1];
  int status = 0;
  for (const Subject& subject : subjects) {
    std::printf("%-10s", subject.name.c_str());
    for (const char* what : {"start", "exec", "stop"}) {
      const auto found = subject.times.find(what);
      if (!subject.works || found == subject.times.end() || found->second.empty()) {
        std::printf(" %18s", "does not run");
        if (subject.name == "twinhull") status = 1;
        continue;
      }
      const double own = median(found->second);
      const auto other = reference.times.find(what);
      if (reference.works && other != reference.times.end() && !other->second.empty())
        std::printf("  %8.1f (%5.2f x)", own, own / median(other->second));
      else
        std::printf("  %8.1f          ", own);
    }
    std::printf("\n");
  }
  if (status != 0 || !reference.works) run({"sh", "-c", "tail -n 20 " + log + " >&2"}, "/dev/stderr");
  run({vzctl, "stop", "101", "--fast"}, log);
  run({vzctl, "destroy", "101"}, log);
  for (const auto& hierarchy : fs::directory_iterator("/sys/fs/cgroup")) {
    std::error_code ignored;
    for (const char* suffix : {"", "-crun", "-runc", "-lxc", "-lxcm", "-lxcp"})
      // LXC leaves a group of this name inside the one that it was told to use.
      for (const char* inner : {"/lxc.pivot", ""})
        rmdir((hierarchy.path().string() + "/" + group + suffix + inner).c_str());
  }
  umount2(home.c_str(), MNT_DETACH);
  rmdir(home.c_str());
  return status;
}
