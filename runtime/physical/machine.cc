#include "runtime/physical/machine.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "runtime/config/config_file.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/mounts.h"
#include "runtime/migrate/exit_codes.h"

namespace twinhull::physical {
namespace {

using migrate::MigrateExit;
using migrate::to_int;

constexpr std::array<std::string_view, 18> kDiskTypes = {
    "bcachefs", "btrfs", "exfat", "ext2",    "ext3",     "ext4",    "f2fs", "hfsplus", "jfs",
    "nilfs2",   "ntfs3", "ntfs",  "reiser4", "reiserfs", "fuseblk", "vfat", "xfs",     "zfs"};
constexpr const char* kNodeMark = "/etc/vz/vz.conf";

bool is_disk(const MountInfo& mount) {
  return std::find(kDiskTypes.begin(), kDiskTypes.end(), mount.type) != kDiskTypes.end();
}

/// The name of a distribution becomes part of a path and of a configuration.
std::string plain(std::string_view text) {
  std::string name;
  for (const char c : text) {
    const bool good =
        (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
    if (!good || (name.empty() && c == '.')) return {};
    name += c;
  }
  return name;
}

/// Text of a file of the system; std::nullopt when it has none.
Result<std::optional<std::string>> text_of(Files& files, const std::string& top,
                                           const std::string& path) {
  auto text = files.read_inside(top, path);
  if (text) return std::optional(std::move(*text));
  const ErrorCode code = text.error().code;
  if (code == ErrorCode::not_found || code == ErrorCode::not_directory ||
      code == ErrorCode::is_directory || code == ErrorCode::limit_exceeded)
    return std::optional<std::string>();
  return std::move(text).error();
}

Result<std::string> distribution_of(Files& files, const std::string& top) {
  TH_ASSIGN(const auto release, text_of(files, top, "/etc/os-release"));
  if (release) {
    // A file that no shell could read says nothing either.
    const auto facts = ConfigFile::parse(*release, "/etc/os-release");
    const std::string id = facts ? plain(facts->get("ID").value_or("")) : std::string();
    const std::string version = facts ? plain(facts->get("VERSION_ID").value_or("")) : "";
    if (!id.empty()) return version.empty() ? id : id + "-" + version;
  }
  for (const auto& [file, name] :
       {std::pair{"/etc/debian_version", "debian"}, std::pair{"/etc/redhat-release", "redhat"}}) {
    TH_ASSIGN(const bool there, files.exists_inside(top, file));
    if (there) return std::string(name);
  }
  return std::string();
}

}  // namespace

Result<std::vector<Partition>> partitions(Kernel& kernel) {
  std::vector<Partition> found;
  const auto add = [&](const std::string& place) -> Status {
    TH_ASSIGN(const DiskInfo disk, kernel.host().disk(place));
    found.push_back({place, disk.file_system, disk.capacity, disk.used, disk.inodes_used});
    return {};
  };
  TH_TRY(add("/"));
  TH_ASSIGN(const std::vector<MountInfo> mounts, kernel.mounts().list("/"));
  std::set<std::string> seen;
  for (const MountInfo& mount : mounts)
    if (mount.target == "/") seen.insert(mount.source);
  for (const MountInfo& mount : mounts)
    if (is_disk(mount) && seen.insert(mount.source).second) TH_TRY(add(mount.target));
  return found;
}

TreeSize contents(const std::vector<Partition>& partitions) {
  TreeSize size;
  for (const Partition& partition : partitions) {
    size.bytes += partition.used;
    size.inodes += partition.inodes;
  }
  return size;
}

Result<std::vector<std::string>> left_out(Kernel& kernel, const std::string& top) {
  std::vector<std::string> names = {"proc", "sys", "dev", "run", "tmp", "boot"};
  const std::string below = top == "/" ? top : top + "/";
  TH_ASSIGN(const std::vector<MountInfo> mounts, kernel.mounts().list(top));
  for (const MountInfo& mount : mounts) {
    if (!mount.target.starts_with(below) || mount.target.size() == below.size() || is_disk(mount))
      continue;
    const std::string inside = mount.target.substr(below.size());
    const bool covered = std::any_of(names.begin(), names.end(), [&](const std::string& name) {
      return inside == name || inside.starts_with(name + "/");
    });
    if (!covered) names.push_back(inside);
  }
  TH_ASSIGN(const bool is_node, kernel.files().exists_inside(top, kNodeMark));
  if (is_node) names.emplace_back("vz");
  return names;
}

Result<SystemFacts> look_at_system(Files& files, const std::string& top) {
  const auto refuse = [&](ErrorCode code, const std::string& object, std::string_view why) {
    return fail(code, "migrate.machine", object, why)
        .with_exit_code(to_int(MigrateExit::broken_container));
  };
  TH_ASSIGN(const auto info, files.stat(top));
  if (!info) return refuse(ErrorCode::not_found, top, "there is no such directory");
  if (info->kind != FileKind::directory)
    return refuse(ErrorCode::not_directory, top, "is no directory")
        .with_hint("name the directory itself that holds the system, not a link to it");
  for (const char* program : {"/sbin/init", "/bin/sh"}) {
    TH_ASSIGN(const bool there, files.exists_inside(top, program));
    if (!there)
      return refuse(ErrorCode::not_found, top, std::string("holds no system: it has no ") + program)
          .with_hint("a container is made of a whole system; see: vzctl create");
  }
  SystemFacts facts;
  TH_ASSIGN(facts.distribution, distribution_of(files, top));
  TH_ASSIGN(const auto name, text_of(files, top, "/etc/hostname"));
  if (name) facts.hostname = name->substr(0, name->find_first_of(" \t\r\n"));
  return facts;
}

}  // namespace twinhull::physical
