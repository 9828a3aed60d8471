// Quota trees as projects of ext4 and xfs. A kernel without project quota must say so: there the
// cases check the refusal and its reason, elsewhere the limits.
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <boost/mpl/list.hpp>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "backends/linux/testing/storage_node.h"

using namespace twinhull;
using namespace twinhull::linux_backend;
using namespace twinhull::linux_backend::testing;
using namespace twinhull::literals;

namespace {


/// The calling thread without CAP_SYS_RESOURCE, whose holder ext4 lets write past a hard limit.
class Unprivileged {
 public:
  Unprivileged() {
    BOOST_REQUIRE(::syscall(SYS_capget, &header_, before_) == 0);
    __user_cap_data_struct now[2] = {before_[0], before_[1]};
    now[0].effective &= ~(1U << CAP_SYS_RESOURCE);
    BOOST_REQUIRE(::syscall(SYS_capset, &header_, now) == 0);
  }
  ~Unprivileged() { ::syscall(SYS_capset, &header_, before_); }
  Unprivileged(const Unprivileged&) = delete;
  Unprivileged& operator=(const Unprivileged&) = delete;

 private:
  __user_cap_header_struct header_{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct before_[2] = {};
};

/// What the kernel itself shows of its quota: a function of the on-disk format of ext4's quota files
/// (CONFIG_QFMT_V2), the counters of xfs's.
bool kernel_has(TestDisk disk) {
  if (disk == TestDisk::xfs_project) return std::filesystem::exists("/proc/fs/xfs/xqmstat");
  std::ifstream symbols("/proc/kallsyms");
  for (std::string line; std::getline(symbols, line);)
    if (line.find(" v2_read_file_info") != std::string::npos) return true;
  return false;
}

template <TestDisk kDisk>
struct Projects : StorageNode {
  Projects() {
    const Status made = open("p", {.disk = kDisk});
    // A mount that fails although the kernel has the code for it is an error.
    if (!made && !kernel_has(kDisk)) {
      BOOST_TEST(to_string(made.error().code) == to_string(ErrorCode::not_supported));
      BOOST_TEST(made.error().message().find("with project quota") != std::string::npos);
      BOOST_TEST(made.error().hint.find("QUOTA") != std::string::npos);
      check_plain_disk();
      return;
    }
    REQUIRE_OK(made);
    available = true;
  }

  /// Without project quota a bound is refused with the way out.
  void check_plain_disk() {
    REQUIRE_OK(open("pp", {.disk = TestDisk::ext4}));
    BOOST_TEST((quotas().mechanism(tree).value() == QuotaMechanism::none));
    REQUIRE_OK(quotas().create_tree(tree));
    const auto refused = quotas().set_limit(tree, {.bytes = 1_MiB});
    BOOST_REQUIRE(!refused);
    BOOST_TEST(to_string(refused.error().code) == to_string(ErrorCode::not_supported));
    BOOST_TEST(refused.error().hint.find("prjquota") != std::string::npos);
  }

  static constexpr bool kXfs = kDisk == TestDisk::xfs_project;
  bool available = false;
};

using Disks =
    boost::mpl::list<Projects<TestDisk::ext4_project>, Projects<TestDisk::xfs_project>>;

/// Bytes that went into the file before it was refused.
std::uint64_t fill(Files& files, const std::string& path, ErrorCode& refusal) {
  const std::string block(64 << 10, 'x');
  std::uint64_t written = 0;
  for (; written < (64_MiB).value; written += block.size()) {
    const auto appended = files.append(path, block);
    if (appended) continue;
    refusal = appended.error().code;
    return written;
  }
  return written;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(linux_project_quotas)

BOOST_AUTO_TEST_CASE_TEMPLATE(a_project_limits_bytes, On, Disks) {
  On on;
  if (!on.available) return;
  const Unprivileged writer;
  BOOST_TEST((on.quotas().mechanism(on.tree).value() == QuotaMechanism::project));
  BOOST_TEST((on.quotas().create_tree(on.tree).value() == Effect::changed));
  BOOST_TEST((on.quotas().create_tree(on.tree).value() == Effect::none));
  const TreeLimit limit{.bytes = 10_MiB};
  BOOST_TEST((on.quotas().set_limit(on.tree, limit).value() == limit));
  ErrorCode refusal = ErrorCode::not_found;
  const auto written = fill(on.files(), on.tree + "/f", refusal);
  BOOST_TEST(to_string(refusal) == to_string(ErrorCode::quota_exceeded));
  BOOST_TEST(written <= limit.bytes.value);
  BOOST_TEST(written + (128 << 10) >= limit.bytes.value);
  const auto usage = on.quotas().usage(on.tree).value();
  BOOST_TEST(usage.bytes.value <= limit.bytes.value);
  BOOST_TEST(usage.bytes.value >= written);
  BOOST_TEST(usage.inodes.value == 2U);
  BOOST_TEST((usage.limit == limit));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_project_limits_inodes_exactly, On, Disks) {
  On on;
  if (!on.available) return;
  const Unprivileged writer;
  REQUIRE_OK(on.quotas().create_tree(on.tree));
  REQUIRE_OK(on.quotas().set_limit(on.tree, {.inodes = {12}}));
  REQUIRE_OK(on.files().make_directory(on.tree + "/d"));  // the tree and this: 10 are left
  for (int i = 0; i < 10; ++i) REQUIRE_OK(on.files().write(on.tree + "/d/" + std::to_string(i), ""));
  CHECK_CODE(on.files().write(on.tree + "/d/more", ""), quota_exceeded);
  CHECK_CODE(on.files().make_directory(on.tree + "/more"), quota_exceeded);
  BOOST_TEST(on.quotas().usage(on.tree).value().inodes.value == 12U);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_project_keeps_its_limit_when_renamed_and_frees_it_when_removed, On,
                              Disks) {
  On on;
  if (!on.available) return;
  const Unprivileged writer;
  const std::string moved = *on.node / "/vz/private/102";
  const TreeLimit limit{.bytes = 8_MiB, .inodes = {30}};
  REQUIRE_OK(on.quotas().create_tree(on.tree));
  REQUIRE_OK(on.quotas().set_limit(on.tree, limit));
  REQUIRE_OK(on.quotas().rename_tree(on.tree, moved));
  BOOST_TEST((on.quotas().usage(moved).value().limit == limit));
  CHECK_CODE(on.quotas().usage(on.tree), not_found);
  BOOST_TEST((on.quotas().remove_tree(moved).value() == Effect::changed));
  BOOST_TEST((on.quotas().remove_tree(moved).value() == Effect::none));
  // The file system gives inode numbers out again, and with them project ids.
  REQUIRE_OK(on.quotas().create_tree(on.tree));
  BOOST_TEST((on.quotas().usage(on.tree).value().limit == TreeLimit{}));
  BOOST_TEST(on.quotas().usage(on.tree).value().inodes.value == 1U);
  REQUIRE_OK(on.files().write(on.tree + "/f", std::string(12 << 20, 'x')));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_lifted_limit_no_longer_binds, On, Disks) {
  On on;
  if (!on.available) return;
  const Unprivileged writer;
  REQUIRE_OK(on.quotas().create_tree(on.tree));
  REQUIRE_OK(on.quotas().set_limit(on.tree, {.bytes = 2_MiB, .inodes = {2}}));
  CHECK_CODE(on.files().write(on.tree + "/f", std::string(4 << 20, 'x')), quota_exceeded);
  BOOST_TEST((on.quotas().set_limit(on.tree, {}).value() == TreeLimit{}));
  REQUIRE_OK(on.files().write(on.tree + "/g", std::string(4 << 20, 'x')));
  REQUIRE_OK(on.files().write(on.tree + "/h", ""));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_projects_limit_reaches_through_an_overlay, On, Disks) {
  On on;
  if (!on.available) return;
  const Unprivileged writer;
  REQUIRE_OK(on.quotas().create_tree(on.tree));
  REQUIRE_OK(on.quotas().set_limit(on.tree, {.bytes = 8_MiB}));
  for (const char* name : {"/fs", "/work"}) REQUIRE_OK(on.files().make_directory(on.tree + name));
  const std::string lower = *on.node / "/vz/lower", root = *on.node / "/vz/root/101";
  for (const auto& path : {lower, root}) REQUIRE_OK(on.files().make_directory(path));
  REQUIRE_OK(on.files().write(lower + "/big", std::string(16 << 20, 'x')));
  REQUIRE_OK(on.mounts().overlay(root, {{lower}, on.tree + "/fs", on.tree + "/work"}));
  CHECK_CODE(on.quotas().remove_tree(on.tree), busy);
  // Through an overlay xfs cannot be asked whether its ENOSPC means the project.
  const ErrorCode wanted = On::kXfs ? ErrorCode::no_space : ErrorCode::quota_exceeded;
  const auto copied = on.files().append(root + "/big", "x");  // the copy does not fit
  const auto written = on.files().write(root + "/f", std::string(16 << 20, 'x'));
  BOOST_REQUIRE((!copied && !written));
  BOOST_TEST(to_string(copied.error().code) == to_string(wanted), copied.error().message());
  BOOST_TEST(to_string(written.error().code) == to_string(wanted), written.error().message());
  BOOST_TEST(on.quotas().usage(on.tree).value().bytes.value <= (8_MiB).value);
  REQUIRE_OK(on.mounts().unmount(root));
  REQUIRE_OK(on.quotas().remove_tree(on.tree));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(one_full_project_does_not_hinder_another, On, Disks) {
  On on;
  if (!on.available) return;
  const Unprivileged writer;
  for (const auto& path : {on.tree, on.tree + "2"}) {
    REQUIRE_OK(on.quotas().create_tree(path));
    REQUIRE_OK(on.quotas().set_limit(path, {.bytes = 4_MiB}));
  }
  CHECK_CODE(on.files().write(on.tree + "/f", std::string(8 << 20, 'x')), quota_exceeded);
  REQUIRE_OK(on.files().write(on.tree + "2/f", std::string(3 << 20, 'x')));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_directory_of_a_project_is_no_tree_of_its_own, On, Disks) {
  On on;
  if (!on.available) return;
  REQUIRE_OK(on.quotas().create_tree(on.tree));
  REQUIRE_OK(on.files().make_directory(on.tree + "/d"));
  CHECK_CODE(on.quotas().create_tree(on.tree + "/d"), exists);
  CHECK_CODE(on.quotas().set_limit(on.tree + "/d", {.bytes = 1_MiB}), not_supported);
}

BOOST_AUTO_TEST_SUITE_END()
