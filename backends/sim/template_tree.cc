#include "backends/sim/template_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "backends/sim/files/file_ops.h"
#include "backends/sim/files/view.h"
#include "backends/sim/programs/launch.h"

namespace twinhull::sim {
namespace {

constexpr std::string_view kBusyboxInit = "#!sim init boot=200ms services=2 memory=2M stop=100ms\n";
constexpr std::string_view kSystemdInit =
    "#!sim init boot=1500ms services=6 memory=24M stop=800ms\n";
// Bulk is spread over so many files, as the libraries and documents of a distribution are.
constexpr std::uint64_t kBulkFiles = 32;

struct TextFile {
  std::string_view path, text;
  std::uint32_t mode = 0644;
};

constexpr std::string_view kDirectories[] = {"/dev",           "/dev/pts",
                                             "/dev/shm",       "/etc",
                                             "/home",          "/lib",
                                             "/mnt",           "/opt",
                                             "/proc",          "/root",
                                             "/run",           "/srv",
                                             "/sys",           "/tmp",
                                             "/usr",           "/usr/bin",
                                             "/usr/lib",       "/usr/sbin",
                                             "/usr/share",     "/usr/local",
                                             "/usr/local/bin", "/usr/local/sbin",
                                             "/var",           "/var/cache",
                                             "/var/lib",       "/var/log",
                                             "/var/spool",     "/var/tmp"};

constexpr TextFile kCommonFiles[] = {
    {"/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"},
    {"/etc/group", "root:x:0:\nnogroup:x:65534:\n"},
    {"/etc/shadow", "root:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\n", 0640},
    {"/etc/hosts", "127.0.0.1 localhost\n"},
    {"/etc/hostname", "localhost\n"},
    {"/etc/resolv.conf", ""},
    {"/etc/fstab", "proc /proc proc defaults 0 0\n"},
    {"/etc/profile", "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"},
    {"/etc/shells", "/bin/sh\n"},
};

constexpr TextFile kBusyboxFiles[] = {
    {"/etc/inittab", "::sysinit:/etc/init.d/rcS\n::shutdown:/bin/sync\n"},
    {"/etc/os-release", "ID=busybox\nNAME=\"BusyBox (simulated)\"\n"},
};

constexpr TextFile kDebianFiles[] = {
    {"/etc/debian_version", "12.5\n"},
    {"/etc/os-release",
     "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\n"
     "VERSION_ID=\"12\"\nVERSION=\"12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n"},
    {"/etc/issue", "Debian GNU/Linux 12\n"},
    {"/etc/apt/sources.list", "deb http://mirror.example/debian bookworm main\n"},
    {"/etc/network/interfaces", "auto lo\niface lo inet loopback\n"},
    {"/etc/systemd/system.conf", "[Manager]\n"},
    {"/etc/default/locale", "LANG=C.UTF-8\n"},
    {"/var/lib/dpkg/status", "Package: base-files\nStatus: install ok installed\n"},
};

// Programs of the super-user, which live in the sbin directory.
constexpr std::string_view kSystemPrograms[] = {"adduser",  "chpasswd", "halt",   "ip",
                                                "poweroff", "reboot",   "useradd"};

Status make_directories(const FileView& view, std::string_view path) {
  for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    TH_TRY(view.make_directory(path.substr(0, slash)));
    if (slash == std::string_view::npos) return {};
  }
}

Status write_file(const FileView& view, const TextFile& file) {
  TH_TRY(make_directories(view, file.path.substr(0, file.path.rfind('/'))));
  return view.write(file.path, file.text, file.mode);
}

Status fill_programs(const FileView& view, TemplateSpec::Kind kind) {
  if (kind == TemplateSpec::Kind::debian) {  // as Debian since 12: /bin is /usr/bin
    TH_TRY(view.make_symlink("usr/bin", "/bin"));
    TH_TRY(view.make_symlink("usr/sbin", "/sbin"));
  } else {
    TH_TRY(view.make_directory("/bin"));
    TH_TRY(view.make_directory("/sbin"));
  }
  TH_TRY(view.write("/bin/busybox", "#!sim busybox\n", 0755));
  std::vector<std::string> names = applet_names();
  names.emplace_back("sh");
  if (kind == TemplateSpec::Kind::debian) names.emplace_back("bash");
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  for (const std::string& name : names) {
    if (name == "busybox" || name == "vzload" || name == "init") continue;
    const bool system = std::find(std::begin(kSystemPrograms), std::end(kSystemPrograms), name) !=
                        std::end(kSystemPrograms);
    TH_TRY(view.make_symlink("/bin/busybox", (system ? "/sbin/" : "/bin/") + name));
  }
  TH_TRY(view.write("/usr/bin/vzload", "#!sim vzload\n", 0755));
  if (kind == TemplateSpec::Kind::busybox)
    TH_TRY(view.make_symlink("/usr/bin/vzload", "/bin/vzload"));
  return {};
}

Status fill_tree(const FileView& view, const TemplateSpec& spec) {
  for (const std::string_view directory : kDirectories) TH_TRY(view.make_directory(directory));
  TH_TRY(view.set_mode("/tmp", 01777));
  TH_TRY(view.set_mode("/var/tmp", 01777));
  TH_TRY(view.set_mode("/root", 0700));
  TH_TRY(fill_programs(view, spec.kind));
  for (const TextFile& file : kCommonFiles) TH_TRY(write_file(view, file));
  if (spec.kind == TemplateSpec::Kind::debian) {
    for (const TextFile& file : kDebianFiles) TH_TRY(write_file(view, file));
    TH_TRY(make_directories(view, "/lib/systemd"));
    TH_TRY(view.write("/lib/systemd/systemd", kSystemdInit, 0755));
    TH_TRY(view.make_symlink("/lib/systemd/systemd", "/sbin/init"));
  } else {
    for (const TextFile& file : kBusyboxFiles) TH_TRY(write_file(view, file));
    TH_TRY(view.write("/sbin/init", kBusyboxInit, 0755));
  }
  if (spec.bulk.value == 0) return {};
  TH_TRY(view.make_directory("/usr/share/bulk"));
  std::uint64_t left = spec.bulk.value;
  for (std::uint64_t i = 0; i < kBulkFiles && left != 0; ++i) {
    const std::string path = fmt::format("/usr/share/bulk/{:02}", i);
    const std::uint64_t size = left / (kBulkFiles - i);
    left -= size;
    TH_ASSIGN(const FileView::Grown grown,
              view.append_synthetic(path, {size}, mix(hash_text(spec.name), i + 1)));
    if (grown.refusal) return *grown.refusal;
  }
  return {};
}

// The tree and the names that lead to it survive a power cut.
Status make_durable(Node& node, const std::string& path) {
  FileStore& files = *node.files;
  Walker walker(node, "world.install_template");
  walker.start_at_node();
  TH_TRY(walker.walk(path, FinalLink::keep, DotDot::refuse));
  std::vector<InodeId> all;
  visit_tree(files, walker.last(),
             [&](const std::string&, const Spot& spot) { all.push_back(spot.top()); });
  for (const InodeId id : all) files.sync(id);
  for (std::size_t slash = path.rfind('/'); slash != std::string::npos && slash != 0;
       slash = path.rfind('/', slash - 1)) {
    TH_TRY(walker.walk(path.substr(0, slash), FinalLink::keep, DotDot::refuse));
    files.sync(walker.last().top());
  }
  files.sync(files.root());
  return {};
}

}  // namespace

Status install_template_tree(Node& node, const std::string& path, const TemplateSpec& spec) {
  constexpr std::string_view kOperation = "world.install_template";
  const FileView whole(node, FileRoot{});
  if (path.size() < 2 || path.front() != '/' || path.back() == '/') {
    return fail(ErrorCode::invalid_argument, kOperation, path, "a template needs a directory");
  }
  TH_ASSIGN(const auto there, whole.stat(path));
  if (there) return fail(ErrorCode::exists, kOperation, path, "something is there already");
  TH_TRY(make_directories(whole, path));
  TH_ASSIGN(FileRoot root, FileView::root_of(node, path));
  if (Status filled = fill_tree(FileView(node, std::move(root)), spec); !filled) {
    TH_TRY(whole.remove_tree(path));
    return filled;
  }
  node.engine.note(kOperation, path, {spec.bulk.value});
  return make_durable(node, path);
}

Status install_node_system(Node& node) {
  const FileView view(node, FileRoot{});
  TemplateSpec spec;
  spec.name = "node";
  TH_TRY(fill_tree(view, spec));
  node.files->sync_all();
  return {};
}

}  // namespace twinhull::sim
