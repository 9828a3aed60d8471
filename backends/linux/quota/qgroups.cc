#include "backends/linux/quota/qgroups.h"

#include <endian.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>

#include "backends/linux/errno_error.h"

namespace twinhull::linux_backend {
namespace {

constexpr std::uint64_t kLast = ~std::uint64_t{0};
/// The upper 16 bits of a qgroup's number are its level.
constexpr std::uint64_t kLastOfLevel0 = (std::uint64_t{1} << 48) - 1;
constexpr std::uint64_t kRootTree = BTRFS_ROOT_TREE_OBJECTID;
constexpr std::uint64_t kQuotaTree = BTRFS_QUOTA_TREE_OBJECTID;

/// Reads a structure of the disk format; zeros where the item is shorter.
template <typename T>
T read_item(std::string_view bytes) {
  T item{};
  std::memcpy(&item, bytes.data(), std::min(bytes.size(), sizeof item));
  return item;
}

}  // namespace

Error Qgroups::error(int number, std::string_view detail) const {
  return system_error(operation_, object_, number, detail);
}

template <typename Function>
Status Qgroups::search(std::uint64_t tree, std::uint64_t first_object, std::uint64_t last_object,
                       std::uint32_t type, std::uint64_t first_offset, std::uint64_t last_offset,
                       Function take) {
  btrfs_ioctl_search_args request{};
  btrfs_ioctl_search_key& key = request.key;
  key.tree_id = tree;
  key.min_objectid = first_object;
  key.max_objectid = last_object;
  key.min_type = key.max_type = type;
  key.min_offset = first_offset;
  key.max_offset = last_offset;
  key.max_transid = kLast;
  for (;;) {
    key.nr_items = 4096;
    if (::ioctl(fd_, BTRFS_IOC_TREE_SEARCH, &request) != 0)
      return error(errno, "cannot search the btrfs trees");
    if (key.nr_items == 0) return {};
    std::size_t at = 0;
    btrfs_ioctl_search_header header{};
    for (std::uint32_t i = 0; i < key.nr_items; ++i) {
      std::memcpy(&header, request.buf + at, sizeof header);
      at += sizeof header;
      // Keys are compared as a whole, so items of other types come along between two objects.
      if (header.type == type && header.offset >= first_offset && header.offset <= last_offset)
        take(header.objectid, header.offset, std::string_view(request.buf + at, header.len));
      at += header.len;
    }
    // Goes on behind the last key.
    key.min_objectid = header.objectid;
    key.min_type = header.type;
    key.min_offset = header.offset + 1;
    if (key.min_offset == 0 && ++key.min_type == 0) return {};
  }
}

Result<bool> Qgroups::enabled() {
  bool on = false;
  const Status found = search(kQuotaTree, 0, 0, BTRFS_QGROUP_STATUS_KEY, 0, 0,
                              [&on](std::uint64_t, std::uint64_t, std::string_view bytes) {
                                const auto item = read_item<btrfs_qgroup_status_item>(bytes);
                                on = (le64toh(item.flags) & BTRFS_QGROUP_STATUS_FLAG_ON) != 0;
                              });
  if (!found && found.error().sys_errno == ENOENT) return false;  // there is no quota tree
  if (!found) return found.error();
  return on;
}

Status Qgroups::enable() {
  btrfs_ioctl_quota_ctl_args request{};
  request.cmd = BTRFS_QUOTA_CTL_ENABLE;
  if (::ioctl(fd_, BTRFS_IOC_QUOTA_CTL, &request) != 0)
    return error(errno, "cannot turn btrfs quota on");
  if (::ioctl(fd_, BTRFS_IOC_QUOTA_RESCAN_WAIT) != 0)
    return error(errno, "cannot wait for the btrfs quota scan");
  return {};
}

Status Qgroups::settle() {
  if (::ioctl(fd_, BTRFS_IOC_SYNC, nullptr) != 0) return error(errno, "cannot sync the btrfs");
  std::uint64_t flags = 0;
  TH_TRY(search(kQuotaTree, 0, 0, BTRFS_QGROUP_STATUS_KEY, 0, 0,
                [&flags](std::uint64_t, std::uint64_t, std::string_view bytes) {
                  flags = le64toh(read_item<btrfs_qgroup_status_item>(bytes).flags);
                }));
  if ((flags & BTRFS_QGROUP_STATUS_FLAG_INCONSISTENT) != 0 &&
      (flags & BTRFS_QGROUP_STATUS_FLAG_RESCAN) == 0) {
    btrfs_ioctl_quota_rescan_args request{};
    if (::ioctl(fd_, BTRFS_IOC_QUOTA_RESCAN, &request) != 0 && errno != EINPROGRESS)
      return error(errno, "cannot count the btrfs quota anew");
    flags |= BTRFS_QGROUP_STATUS_FLAG_RESCAN;
  }
  if ((flags & BTRFS_QGROUP_STATUS_FLAG_RESCAN) != 0 &&
      ::ioctl(fd_, BTRFS_IOC_QUOTA_RESCAN_WAIT) != 0)
    return error(errno, "cannot wait for the btrfs quota scan");
  return {};
}

Result<std::optional<Qgroup>> Qgroups::read(std::uint64_t subvolume) {
  Qgroup group;
  bool found = false;
  TH_TRY(search(kQuotaTree, 0, 0, BTRFS_QGROUP_INFO_KEY, subvolume, subvolume,
                [&](std::uint64_t, std::uint64_t, std::string_view bytes) {
                  group.referenced = le64toh(read_item<btrfs_qgroup_info_item>(bytes).rfer);
                  found = true;
                }));
  if (!found) return std::nullopt;
  TH_TRY(search(kQuotaTree, 0, 0, BTRFS_QGROUP_LIMIT_KEY, subvolume, subvolume,
                [&](std::uint64_t, std::uint64_t, std::string_view bytes) {
                  const auto item = read_item<btrfs_qgroup_limit_item>(bytes);
                  if ((le64toh(item.flags) & BTRFS_QGROUP_LIMIT_MAX_RFER) != 0)
                    group.most_referenced = le64toh(item.max_rfer);
                }));
  return group;
}

Status Qgroups::set_limit(std::uint64_t subvolume, std::optional<std::uint64_t> most_referenced) {
  btrfs_ioctl_qgroup_limit_args request{};
  request.qgroupid = subvolume;
  request.lim.flags = BTRFS_QGROUP_LIMIT_MAX_RFER;
  request.lim.max_rfer = most_referenced.value_or(kLast);  // the kernel's word for "clear it"
  if (::ioctl(fd_, BTRFS_IOC_QGROUP_LIMIT, &request) != 0)
    return error(errno, "cannot set the qgroup's limit");
  // The limit is to last: its transaction is committed. BTRFS_IOC_SYNC would also write all data that anybody
  // has in the cache, which a container that is about to be restored would wait for.
  __u64 transaction = 0;
  if (::ioctl(fd_, BTRFS_IOC_START_SYNC, &transaction) != 0 ||
      ::ioctl(fd_, BTRFS_IOC_WAIT_SYNC, &transaction) != 0)
    return error(errno, "cannot commit the limit");
  return {};
}

Status Qgroups::create(std::uint64_t subvolume) {
  btrfs_ioctl_qgroup_create_args request{};
  request.create = 1;
  request.qgroupid = subvolume;
  if (::ioctl(fd_, BTRFS_IOC_QGROUP_CREATE, &request) != 0 && errno != EEXIST)
    return error(errno, "cannot make the qgroup");
  return {};
}

Status Qgroups::remove(std::uint64_t subvolume) {
  btrfs_ioctl_qgroup_create_args request{};
  request.qgroupid = subvolume;
  if (::ioctl(fd_, BTRFS_IOC_QGROUP_CREATE, &request) != 0 && errno != ENOENT)
    return error(errno, "cannot remove the qgroup");
  return {};
}

Result<std::set<std::uint64_t>> Qgroups::list() {
  std::set<std::uint64_t> found;
  TH_TRY(search(
      kQuotaTree, 0, 0, BTRFS_QGROUP_INFO_KEY, 0, kLastOfLevel0,
      [&found](std::uint64_t, std::uint64_t offset, std::string_view) { found.insert(offset); }));
  return found;
}

Result<std::set<std::uint64_t>> Qgroups::subvolumes() {
  std::set<std::uint64_t> found;
  TH_TRY(search(
      kRootTree, BTRFS_FIRST_FREE_OBJECTID, BTRFS_LAST_FREE_OBJECTID, BTRFS_ROOT_ITEM_KEY, 0, kLast,
      [&found](std::uint64_t object, std::uint64_t, std::string_view) { found.insert(object); }));
  found.insert(BTRFS_FS_TREE_OBJECTID);
  return found;
}

}  // namespace twinhull::linux_backend
