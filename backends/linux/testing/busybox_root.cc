#include "backends/linux/testing/busybox_root.h"

#include <unistd.h>

#include <sstream>

#include "backends/linux/file/files.h"
#include "backends/linux/run_tool.h"

namespace twinhull::linux_backend::testing {
namespace {

constexpr auto kOperation = "testing.busybox_root";
constexpr auto kBusybox = "/bin/busybox";

struct Text {
  const char* path;
  std::uint32_t mode;
  const char* content;
};

constexpr const char* kDirectories[] = {
    "bin", "sbin", "etc",  "etc/init.d", "usr", "usr/bin", "usr/sbin", "proc",
    "sys", "dev",  "root", "run",        "var", "var/log", "mnt",      "home"};

constexpr Text kTexts[] = {
    {"etc/inittab", 0644,
     "::sysinit:/etc/init.d/rcS\n::ctrlaltdel:/bin/reboot\n::shutdown:/bin/sync\n"},
    {"etc/init.d/rcS", 0755,
     "#!/bin/sh\nhostname -F /etc/hostname 2>/dev/null\n: >/run/booted\nexit 0\n"},
    {"etc/passwd", 0644, "root:x:0:0:root:/root:/bin/sh\n"},
    {"etc/group", 0644, "root:x:0:\n"},
    {"etc/shadow", 0600, "root:*:19000:0:99999:7:::\n"},
    {"etc/hosts", 0644, "127.0.0.1 localhost\n"},
};

}  // namespace

Status make_busybox_root(const std::string& path) {
  const NodeOptions options;
  const auto files = make_files(options);
  TH_ASSIGN(const auto there, files->stat(path));
  if (there) return fail(ErrorCode::exists, kOperation, path, "something is there already");
  if (::access(kBusybox, X_OK) != 0) {
    return fail(ErrorCode::not_supported, kOperation, kBusybox, "there is no busybox")
        .with_hint("install the package busybox-static");
  }
  TH_TRY(files->make_directory(path));
  for (const char* directory : kDirectories) TH_TRY(files->make_directory(path + "/" + directory));
  TH_TRY(files->make_directory(path + "/tmp", 01777));
  for (const Text& text : kTexts)
    TH_TRY(files->write(path + "/" + text.path, text.content, text.mode));
  TH_TRY(files->copy_tree(kBusybox, path + "/bin/busybox"));
  TH_ASSIGN(const ToolOutcome applets, run_tool({kBusybox, "--list"}, kOperation));
  std::istringstream lines(applets.output);
  for (std::string applet; std::getline(lines, applet);)
    if (applet != "busybox") TH_TRY(files->make_symlink("busybox", path + "/bin/" + applet));
  for (const char* applet : {"init", "halt", "poweroff", "reboot"})
    TH_TRY(files->make_symlink("../bin/busybox", path + "/sbin/" + applet));
  // Built as the last step of a whole build; tests that need it say so.
  if (::access(TWINHULL_VZLOAD, X_OK) == 0)
    TH_TRY(files->copy_tree(TWINHULL_VZLOAD, path + "/usr/bin/vzload"));
  // Most busybox have no chattr; the node's own comes with the libraries that it needs.
  TH_TRY(
      run_tool_well({"/bin/sh", "-c",
                     "program=$(command -v chattr) || exit 0; "
                     "cp -L --parents \"$program\" $(ldd \"$program\" | grep -o '/[^ ]*') \"$0\"",
                     path},
                    kOperation, path));
  return files->sync(path);
}

}  // namespace twinhull::linux_backend::testing
