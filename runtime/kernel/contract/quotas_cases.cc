// What the runtime relies on: Quotas.
#include "runtime/kernel/contract/checks.h"
#include "runtime/kernel/contract/containers.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/mounts.h"
#include "runtime/kernel/quotas.h"

namespace twinhull::contract {
namespace {

std::vector<Case>& cases() {
  static std::vector<Case> list;
  return list;
}

constexpr std::uint64_t kMiB = 1 << 20;

// Where a tree is made for a case; on a node without a mechanism any directory.
std::string area_of(ContractStage& stage) {
  const std::string area = stage.quota_area();
  return area.empty() ? stage.scratch() : area;
}

// How far below the limit a mechanism may refuse, and how much a tree costs when it is empty.
Bytes granularity(ContractStage& stage, const std::string& path) {
  switch (MUST(stage.kernel().quotas().mechanism(path))) {
    case QuotaMechanism::simulated: return {4096};
    case QuotaMechanism::btrfs_qgroup: return {512 << 10};  // whole extents and metadata blocks
    case QuotaMechanism::project: return {64 << 10};
    case QuotaMechanism::image: return {2 * kMiB};
    case QuotaMechanism::none: break;
  }
  return {0};
}

// Appends mebibytes until refused; the error that refused, or not_found when nothing did.
struct Filled {
  std::uint64_t bytes = 0;
  ErrorCode refusal = ErrorCode::not_found;
};
Filled fill(ContractStage& stage, const std::string& path, std::uint64_t most) {
  Filled filled;
  const std::string block(64 << 10, 'x');
  while (filled.bytes < most) {
    const Status written = stage.kernel().files().append(path, block);
    if (!written) {
      filled.refusal = written.error().code;
      return filled;
    }
    filled.bytes += block.size();
  }
  return filled;
}

CASE(mechanism_is_told_before_the_tree_exists) {
  Quotas& quotas = stage.kernel().quotas();
  const std::string area = area_of(stage);
  const QuotaMechanism here = MUST(quotas.mechanism(area));
  BOOST_CHECK(MUST(quotas.mechanism(area + "/not/yet/there")) == here);
  const Support bytes = MUST(stage.kernel().host().supports(Feature::tree_quota_bytes));
  if (!stage.quota_area().empty()) BOOST_CHECK(here != QuotaMechanism::none);
  if (here != QuotaMechanism::none && stage.quota_area().empty())
    BOOST_CHECK_MESSAGE(bytes.available, bytes.reason);
}

CASE(create_and_remove_a_tree_can_be_repeated) {
  Quotas& quotas = stage.kernel().quotas();
  const std::string tree = area_of(stage) + "/t";
  CHANGED(quotas.create_tree(tree));
  NO_EFFECT(quotas.create_tree(tree));
  BOOST_CHECK(MUST(stage.kernel().files().list(tree)).empty());
  CHANGED(quotas.remove_tree(tree));
  NO_EFFECT(quotas.remove_tree(tree));
  BOOST_CHECK(!MUST(stage.kernel().files().stat(tree)).has_value());
}

CASE(create_refuses_what_is_no_quota_tree) {
  Quotas& quotas = stage.kernel().quotas();
  const std::string area = area_of(stage);
  MUST(stage.kernel().files().write(area + "/file", "x"));
  REFUSED(quotas.create_tree(area + "/file"), exists);
  MUST(stage.kernel().files().remove(area + "/file"));
  if (MUST(quotas.mechanism(area)) == QuotaMechanism::none) return;  // a plain directory is a tree
  MUST(stage.kernel().files().make_directory(area + "/plain"));
  REFUSED(quotas.create_tree(area + "/plain"), exists);
  MUST(stage.kernel().files().remove(area + "/plain"));
}

CASE(create_needs_the_parent) {
  REFUSED(stage.kernel().quotas().create_tree(area_of(stage) + "/no/t"), not_found);
}

CASE(remove_takes_the_content) {
  Quotas& quotas = stage.kernel().quotas();
  Files& files = stage.kernel().files();
  const std::string tree = area_of(stage) + "/t";
  MUST(quotas.create_tree(tree));
  MUST(files.make_directory(tree + "/d"));
  MUST(files.write(tree + "/d/f", "x"));
  CHANGED(quotas.remove_tree(tree));
  BOOST_CHECK(!MUST(files.stat(tree)).has_value());
}

CASE(remove_refuses_a_tree_with_a_mount) {
  Quotas& quotas = stage.kernel().quotas();
  const std::string tree = area_of(stage) + "/t";
  MUST(quotas.create_tree(tree));
  MUST(stage.kernel().files().make_directory(tree + "/m"));
  MUST(stage.kernel().mounts().tmpfs(tree + "/m", {kMiB}));
  REFUSED(quotas.remove_tree(tree), busy);
  MUST(stage.kernel().mounts().unmount(tree + "/m"));
  CHANGED(quotas.remove_tree(tree));
}

CASE(a_limit_without_a_mechanism_is_refused) {
  Quotas& quotas = stage.kernel().quotas();
  const std::string point = stage.scratch() + "/m";
  MUST(stage.kernel().files().make_directory(point));
  MUST(stage.kernel().mounts().tmpfs(point, {16 * kMiB}));
  BOOST_CHECK(MUST(quotas.mechanism(point)) == QuotaMechanism::none);
  CHANGED(quotas.create_tree(point + "/t"));
  REFUSED(quotas.set_limit(point + "/t", {{kMiB}, {kUnlimited}}), not_supported);
  const TreeLimit none = MUST(quotas.set_limit(point + "/t", {}));
  BOOST_CHECK(none == TreeLimit{});
  REFUSED(quotas.usage(point + "/t"), not_supported);
  CHANGED(quotas.remove_tree(point + "/t"));
}

CASE(limits_and_usage_need_the_tree) {
  Quotas& quotas = stage.kernel().quotas();
  const std::string no = area_of(stage) + "/no";
  REFUSED(quotas.set_limit(no, {{kMiB}, {kUnlimited}}), not_found);
  REFUSED(quotas.usage(no), not_found);
  REFUSED(quotas.rename_tree(no, area_of(stage) + "/other"), not_found);
}

CASE(a_set_limit_is_handed_back_and_kept) {
  Quotas& quotas = stage.kernel().quotas();
  const std::string tree = area_of(stage) + "/t";
  MUST(quotas.create_tree(tree));
  const TreeLimit wanted{{16 * kMiB}, {kUnlimited}};
  NEEDS(stage, tree_quota_bytes, quotas.set_limit(tree, wanted));
  BOOST_CHECK(MUST(quotas.set_limit(tree, wanted)) == wanted);
  BOOST_CHECK(MUST(quotas.usage(tree)).limit == wanted);
  BOOST_CHECK((MUST(quotas.set_limit(tree, {})) == TreeLimit{}));
  BOOST_CHECK((MUST(quotas.usage(tree)).limit == TreeLimit{}));
}

CASE(an_inode_limit_acts_or_comes_back_as_unlimited) {
  Quotas& quotas = stage.kernel().quotas();
  Files& files = stage.kernel().files();
  const std::string tree = area_of(stage) + "/t";
  MUST(quotas.create_tree(tree));
  const TreeLimit wanted{{64 * kMiB}, {20}};
  NEEDS(stage, tree_quota_bytes, quotas.set_limit(tree, wanted));
  const TreeLimit acts = MUST(quotas.set_limit(tree, wanted));
  const bool inodes = MUST(stage.kernel().host().supports(Feature::tree_quota_inodes)).available;
  if (!inodes) {
    BOOST_CHECK_EQUAL(acts.inodes.value, kUnlimited);
    return;
  }
  BOOST_CHECK(acts == wanted);
  const std::uint64_t used = MUST(quotas.usage(tree)).inodes.value;
  BOOST_REQUIRE(used < 20);
  for (std::uint64_t i = used; i < 20; ++i) MUST(files.write(tree + "/" + std::to_string(i), ""));
  BOOST_CHECK_EQUAL(MUST(quotas.usage(tree)).inodes.value, 20);
  REFUSED(files.write(tree + "/one-more", ""), quota_exceeded);
  REFUSED(files.make_directory(tree + "/directory"), quota_exceeded);
  REFUSED(files.make_symlink("x", tree + "/link"), quota_exceeded);
  MUST(files.remove(tree + "/" + std::to_string(used)));
  MUST(files.write(tree + "/one-more", ""));
}

CASE(the_byte_limit_refuses_just_below_or_at_the_limit) {
  Quotas& quotas = stage.kernel().quotas();
  const std::string tree = area_of(stage) + "/t";
  MUST(quotas.create_tree(tree));
  const TreeLimit limit{{16 * kMiB}, {kUnlimited}};
  NEEDS(stage, tree_quota_bytes, quotas.set_limit(tree, limit));
  MUST(quotas.set_limit(tree, limit));
  const Filled filled = fill(stage, tree + "/f", 32 * kMiB);
  BOOST_CHECK_MESSAGE(filled.refusal == ErrorCode::quota_exceeded,
                      "refused with " << to_string(filled.refusal));
  BOOST_CHECK(filled.bytes <= limit.bytes.value);
  BOOST_CHECK_MESSAGE(
      filled.bytes + granularity(stage, tree).value + (64 << 10) >= limit.bytes.value,
      "only " << filled.bytes << " of " << limit.bytes.value << " bytes were given");
}

CASE(usage_follows_what_is_written_and_removed) {
  Quotas& quotas = stage.kernel().quotas();
  Files& files = stage.kernel().files();
  const std::string tree = area_of(stage) + "/t";
  MUST(quotas.create_tree(tree));
  NEEDS(stage, tree_quota_bytes, quotas.usage(tree));
  const std::uint64_t slack = granularity(stage, tree).value;
  const std::uint64_t before = MUST(quotas.usage(tree)).bytes.value;
  MUST(files.write(tree + "/f", std::string(4 * kMiB, 'x')));
  MUST(files.sync(tree + "/f"));
  const std::uint64_t full = MUST(quotas.usage(tree)).bytes.value;
  BOOST_CHECK_MESSAGE(full >= before + 4 * kMiB && full <= before + 4 * kMiB + slack,
                      before << " became " << full);
  MUST(files.remove(tree + "/f"));
  MUST(files.sync(tree));
  BOOST_CHECK(eventually(stage, seconds(40),
                         [&] { return MUST(quotas.usage(tree)).bytes.value <= before + slack; }));
}

CASE(removing_makes_room_below_a_full_limit) {
  Quotas& quotas = stage.kernel().quotas();
  Files& files = stage.kernel().files();
  const std::string tree = area_of(stage) + "/t";
  MUST(quotas.create_tree(tree));
  const TreeLimit limit{{8 * kMiB}, {kUnlimited}};
  NEEDS(stage, tree_quota_bytes, quotas.set_limit(tree, limit));
  MUST(quotas.set_limit(tree, limit));
  const Filled filled = fill(stage, tree + "/f", 16 * kMiB);
  BOOST_REQUIRE(filled.refusal == ErrorCode::quota_exceeded);
  CHANGED(files.remove(tree + "/f"));
  BOOST_CHECK(eventually(stage, seconds(40), [&] {
    const Status written = files.write(tree + "/g", std::string(kMiB, 'x'));
    return written.has_value();
  }));
}

CASE(a_raised_limit_gives_room) {
  Quotas& quotas = stage.kernel().quotas();
  const std::string tree = area_of(stage) + "/t";
  MUST(quotas.create_tree(tree));
  const TreeLimit limit{{8 * kMiB}, {kUnlimited}};
  NEEDS(stage, tree_quota_bytes, quotas.set_limit(tree, limit));
  MUST(quotas.set_limit(tree, limit));
  BOOST_REQUIRE(fill(stage, tree + "/f", 16 * kMiB).refusal == ErrorCode::quota_exceeded);
  MUST(quotas.set_limit(tree, {{16 * kMiB}, {kUnlimited}}));
  MUST(stage.kernel().files().write(tree + "/g", std::string(4 * kMiB, 'x')));
}

CASE(one_full_tree_does_not_hinder_another) {
  Quotas& quotas = stage.kernel().quotas();
  const std::string one = area_of(stage) + "/t1", two = area_of(stage) + "/t2";
  MUST(quotas.create_tree(one));
  MUST(quotas.create_tree(two));
  const TreeLimit limit{{8 * kMiB}, {kUnlimited}};
  NEEDS(stage, tree_quota_bytes, quotas.set_limit(one, limit));
  MUST(quotas.set_limit(one, limit));
  MUST(quotas.set_limit(two, limit));
  BOOST_REQUIRE(fill(stage, one + "/f", 16 * kMiB).refusal == ErrorCode::quota_exceeded);
  MUST(stage.kernel().files().write(two + "/f", std::string(4 * kMiB, 'x')));
}

// This is how a container's disk space is limited: its overlay's upper layer lies in the tree.
CASE(the_limit_acts_through_an_overlay_and_inside_a_container) {
  Quotas& quotas = stage.kernel().quotas();
  Files& files = stage.kernel().files();
  const std::string tree = area_of(stage) + "/t";
  MUST(quotas.create_tree(tree));
  const TreeLimit limit{{16 * kMiB}, {kUnlimited}};
  NEEDS(stage, tree_quota_bytes, quotas.set_limit(tree, limit));
  MUST(quotas.set_limit(tree, limit));
  for (const std::string name : {"/fs", "/work"}) MUST(files.make_directory(tree + name));
  Box box;
  box.label = "c1";
  box.group = {"c1"};
  box.root = stage.scratch() + "/root";
  MUST(files.make_directory(box.root));
  MUST(stage.kernel().mounts().overlay(box.root,
                                       {{stage.template_tree()}, tree + "/fs", tree + "/work"}));
  MUST(stage.kernel().cgroups().create(box.group));
  box.init = MUST(stage.kernel().processes().spawn(box_spec(box, {"/bin/sleep", "1000"})));
  const ExecOutcome outcome = MUST(shell(stage, box, "vzload write /big --bytes 32M"));
  BOOST_CHECK(!outcome.status.success());
  const auto info = MUST(files.stat(box.root + "/big"));
  BOOST_REQUIRE(info.has_value());
  BOOST_CHECK(info->size <= limit.bytes);
  BOOST_CHECK(info->size.value + granularity(stage, tree).value + 2 * kMiB >= limit.bytes.value);
  MUST(stage.kernel().processes().signal(box.init, Signal::kill));
  MUST(stage.kernel().processes().wait_gone(box.init, seconds(10)));
  MUST(stage.kernel().mounts().unmount(box.root));
}

CASE(rename_moves_content_and_limit) {
  Quotas& quotas = stage.kernel().quotas();
  Files& files = stage.kernel().files();
  const std::string from = area_of(stage) + "/t", to = area_of(stage) + "/moved";
  MUST(quotas.create_tree(from));
  MUST(files.write(from + "/f", "x"));
  const TreeLimit limit{{16 * kMiB}, {kUnlimited}};
  const bool limited = MUST(quotas.mechanism(from)) != QuotaMechanism::none;
  if (limited) MUST(quotas.set_limit(from, limit));
  MUST(quotas.rename_tree(from, to));
  BOOST_CHECK(!MUST(files.stat(from)).has_value());
  BOOST_CHECK_EQUAL(MUST(files.read(to + "/f")), "x");
  NO_EFFECT(quotas.create_tree(to));
  if (limited) BOOST_CHECK(MUST(quotas.usage(to)).limit == limit);
}

CASE(rename_refuses_an_existing_target) {
  Quotas& quotas = stage.kernel().quotas();
  const std::string from = area_of(stage) + "/t", to = area_of(stage) + "/there";
  MUST(quotas.create_tree(from));
  MUST(quotas.create_tree(to));
  REFUSED(quotas.rename_tree(from, to), exists);
  BOOST_CHECK(MUST(stage.kernel().files().stat(from)).has_value());
}

}  // namespace

Area quotas_area() {
  return {"quotas", cases()};
}

}  // namespace twinhull::contract
