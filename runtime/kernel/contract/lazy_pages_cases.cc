// What the runtime relies on: post-copy, where processes go on before their memory is there.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/checkpoints.h"
#include "runtime/kernel/contract/checks.h"
#include "runtime/kernel/contract/containers.h"
#include "runtime/kernel/contract/memory_holder.h"
#include "runtime/kernel/contract/peer_channel.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/mounts.h"

namespace twinhull::contract {
namespace {

std::vector<Case>& cases() {
  static std::vector<Case> list;
  return list;
}

/// A lazy dump into a directory that does not exist: refused in any case.
DumpSpec lazily(const std::string& images) {
  DumpSpec spec;
  spec.images = images;
  spec.after = AfterDump::stay_frozen;
  spec.lazy = true;
  return spec;
}

/// Where there is no post-copy the dump says so, and the case is over.
#define LAZY_PAGES(stage, box) \
  NEEDS(stage, lazy_pages, (stage).kernel().checkpoints().dump((box).init, lazily(new_images(stage))))

std::string new_images(ContractStage& stage) {
  const std::string path = stage.scratch() + "/images";
  MUST(stage.kernel().files().make_directory(path));
  return path;
}

/// The root of `box` and its images on the peer.
RestoreSpec sent_over(ContractStage& stage, const Box& box, const std::string& images) {
  RestoreSpec spec = root_at_peer(stage, box);
  spec.images = stage.peer_scratch() + "/images";
  send_directory(stage, images, spec.images);
  spec.lazy = true;
  return spec;
}

Box as_box(const RestoreSpec& spec, ProcessRef init) {
  return {spec.label, spec.root, {}, spec.cgroup, init};
}

/// The container of `box` dumped lazily, and restored on the peer without its memory.
Box restored(ContractStage& stage, const Box& box, bool frozen = false) {
  const std::string images = new_images(stage);
  MUST(stage.kernel().checkpoints().dump(box.init, lazily(images)));
  RestoreSpec spec = sent_over(stage, box, images);
  spec.frozen = frozen;
  return as_box(spec, MUST(stage.peer().checkpoints().restore(spec)).init);
}

/// Gives what is held over a new channel; both ends must tell the same.
PagesMoved given(ContractStage& stage, const Box& from, const Box& to) {
  const auto channel = connected(stage, "take-pages");
  MUST(channel->send(to.label));
  const PagesMoved moved = MUST(stage.kernel().checkpoints().give_pages(from.init, *channel));
  // The channel is still good.
  BOOST_CHECK_EQUAL(next(*channel), fmt::format("{} {}", moved.pages.value, moved.faults.value));
  BOOST_CHECK(moved.faults <= moved.pages);
  return moved;
}

/// A channel that breaks at its n-th message.
class Breaking final : public Channel {
 public:
  Breaking(std::unique_ptr<Channel> inner, int messages)
      : inner_(std::move(inner)), left_(messages) {}

  Status send(std::string_view message) override {
    TH_TRY(pass("channel.send"));
    return inner_->send(message);
  }
  Result<std::optional<std::string>> receive(Duration timeout) override {
    TH_TRY(pass("channel.receive"));
    return inner_->receive(timeout);
  }
  Result<TransferResult> send_tree(const std::string& path,
                                   const TransferOptions& options) override {
    return inner_->send_tree(path, options);
  }
  Result<TransferResult> receive_tree(const std::string& path) override {
    return inner_->receive_tree(path);
  }
  void close() override { inner_->close(); }

 private:
  Status pass(std::string_view operation) {
    if (left_ > 0 && --left_ > 0) return {};
    inner_->close();
    return fail(ErrorCode::connection_lost, operation, "the peer", "it was made to break");
  }

  std::unique_ptr<Channel> inner_;
  int left_;
};

bool frozen(Kernel& node, const Box& box) {
  return MUST(node.cgroups().freeze_state(box.group)) == FreezeState::frozen;
}

void end(Kernel& node, const Box& box) {
  MUST(node.cgroups().kill_all(box.group));
  if (frozen(node, box)) MUST(node.cgroups().thaw(box.group));  // v1: they end when they may
  MUST(node.processes().wait_gone(box.init, seconds(10)));
}

CASE(a_lazy_dump_holds_memory_back) {
  const Box box = holding_box(stage, seconds(60));
  LAZY_PAGES(stage, box);
  Checkpoints& checkpoints = stage.kernel().checkpoints();
  const std::string images = new_images(stage);
  const DumpResult dumped = MUST(checkpoints.dump(box.init, lazily(images)));
  BOOST_CHECK_LT(dumped.images.value, kHeld / 4);
  BOOST_CHECK_LT(MUST(stage.kernel().files().measure_tree(images)).bytes.value, kHeld / 4);
  BOOST_CHECK_LT(to_bytes(dumped.written).value, kHeld / 4);
  BOOST_CHECK_GE(to_bytes(dumped.scanned).value, kHeld);
  BOOST_CHECK(frozen(stage.kernel(), box));
  BOOST_CHECK(MUST(stage.kernel().processes().alive(box.init)));
  BOOST_CHECK(!MUST(checkpoints.lacks_pages(box.init)));  // it has them: the other one will not
}

CASE(dropped_memory_is_whole) {
  const Box box = holding_box(stage, seconds(4));
  LAZY_PAGES(stage, box);
  Checkpoints& checkpoints = stage.kernel().checkpoints();
  NO_EFFECT(checkpoints.drop_pages(box.init));
  MUST(checkpoints.dump(box.init, lazily(new_images(stage))));
  CHANGED(checkpoints.drop_pages(box.init));
  NO_EFFECT(checkpoints.drop_pages(box.init));
  BOOST_CHECK(frozen(stage.kernel(), box));
  BOOST_CHECK(!reported(stage.kernel(), box));
  MUST(stage.kernel().cgroups().thaw(box.group));
  BOOST_CHECK(eventually(stage, kPatience, [&] { return reported(stage.kernel(), box); }));
  // Nothing of it is in the way of another dump.
  DumpSpec again;
  again.images = stage.scratch() + "/again";
  MUST(stage.kernel().files().make_directory(again.images));
  MUST(checkpoints.dump(box.init, again));
}

CASE(memory_follows_the_processes) {
  const Box box = holding_box(stage, seconds(2));
  LAZY_PAGES(stage, box);
  const Box there = restored(stage, box);
  BOOST_CHECK(MUST(stage.peer().processes().find("c2")) == there.init);
  BOOST_CHECK(MUST(stage.peer().checkpoints().lacks_pages(there.init)));
  const PagesMoved moved = given(stage, box, there);
  BOOST_CHECK_GE(to_bytes(moved.pages).value, kHeld * 3 / 4);
  BOOST_CHECK(!MUST(stage.peer().checkpoints().lacks_pages(there.init)));
  BOOST_CHECK(eventually(stage, kPatience, [&] { return reported(stage.peer(), there); }));
  BOOST_CHECK_EQUAL(MUST(stage.peer().processes().alive(there.init)), true);
  // The source stays as it was: frozen, and nobody's report came from there.
  BOOST_CHECK(frozen(stage.kernel(), box));
  BOOST_CHECK_EQUAL(report_of(stage.kernel(), box), "");
}

CASE(memory_follows_after_a_round_of_it) {
  const Box box = holding_box(stage, seconds(2));
  LAZY_PAGES(stage, box);
  if (!MUST(stage.kernel().host().supports(Feature::dirty_tracking)).available) return;
  Checkpoints& checkpoints = stage.kernel().checkpoints();
  const std::string round = stage.scratch() + "/round";
  MUST(stage.kernel().files().make_directory(round));
  MUST(checkpoints.pre_dump(box.init, {.images = round, .parent = {}}));
  DumpSpec dump = lazily(new_images(stage));
  dump.parent = round;
  const DumpResult dumped = MUST(checkpoints.dump(box.init, dump));
  BOOST_CHECK_GE(to_bytes(dumped.skipped).value, kHeld * 3 / 4);
  const RestoreSpec spec = sent_over(stage, box, dump.images);
  send_directory(stage, round, stage.peer_scratch() + "/round");
  const Box there = as_box(spec, MUST(stage.peer().checkpoints().restore(spec)).init);
  // Only what has changed since the round is missing; the program reads all of it.
  const PagesMoved moved = given(stage, box, there);
  BOOST_CHECK_LT(to_bytes(moved.pages).value, kHeld / 4);
  BOOST_CHECK(!MUST(stage.peer().checkpoints().lacks_pages(there.init)));
  BOOST_CHECK(eventually(stage, kPatience, [&] { return reported(stage.peer(), there); }));
}

CASE(memory_is_given_once) {
  const Box box = holding_box(stage, seconds(2));
  LAZY_PAGES(stage, box);
  const Box there = restored(stage, box);
  given(stage, box, there);
  const auto channel = connected(stage, "take-pages");
  MUST(channel->send(there.label));
  BOOST_CHECK_EQUAL(next(*channel), "error not_found");
  REFUSED(stage.kernel().checkpoints().give_pages(box.init, *channel), not_found);
  NO_EFFECT(stage.kernel().checkpoints().drop_pages(box.init));
}

CASE(memory_comes_to_frozen_processes_too) {
  const Box box = holding_box(stage, seconds(2));
  LAZY_PAGES(stage, box);
  const Box there = restored(stage, box, true);
  BOOST_CHECK(frozen(stage.peer(), there));
  const PagesMoved moved = given(stage, box, there);
  BOOST_CHECK_GE(to_bytes(moved.pages).value, kHeld * 3 / 4);
  BOOST_CHECK(frozen(stage.peer(), there));
  BOOST_CHECK(!MUST(stage.peer().checkpoints().lacks_pages(there.init)));
  MUST(stage.peer().cgroups().thaw(there.group));
  BOOST_CHECK(eventually(stage, kPatience, [&] { return reported(stage.peer(), there); }));
}

CASE(who_touches_missing_memory_waits_for_it) {
  const Box box = holding_box(stage, seconds(2));
  LAZY_PAGES(stage, box);
  const Box there = restored(stage, box);
  // Far beyond the end of its time: it stands before the first page that it would read.
  MUST(stage.kernel().clock().sleep(seconds(3) * stage.slowness()));
  BOOST_CHECK(!reported(stage.peer(), there));
  BOOST_CHECK(MUST(stage.peer().processes().alive(there.init)));
  BOOST_CHECK(MUST(stage.peer().checkpoints().lacks_pages(there.init)));
  const PagesMoved moved = given(stage, box, there);
  BOOST_CHECK_GT(moved.pages.value, 0);
  BOOST_CHECK(eventually(stage, kPatience, [&] { return reported(stage.peer(), there); }));
}

CASE(a_broken_channel_leaves_the_rest_to_another) {
  const Box box = holding_box(stage, seconds(2));
  LAZY_PAGES(stage, box);
  const Box there = restored(stage, box);
  for (const int messages : {1, 2, 5}) {
    Breaking channel(connected(stage, "take-pages"), messages + 1);
    MUST(channel.send(there.label));
    REFUSED(stage.kernel().checkpoints().give_pages(box.init, channel), connection_lost);
    BOOST_CHECK(MUST(stage.peer().checkpoints().lacks_pages(there.init)));
    BOOST_CHECK(frozen(stage.kernel(), box));
    BOOST_CHECK(MUST(stage.peer().processes().alive(there.init)));
  }
  const PagesMoved moved = given(stage, box, there);
  BOOST_CHECK_GT(moved.pages.value, 0);
  BOOST_CHECK(!MUST(stage.peer().checkpoints().lacks_pages(there.init)));
  BOOST_CHECK(eventually(stage, kPatience, [&] { return reported(stage.peer(), there); }));
  NO_EFFECT(stage.kernel().checkpoints().drop_pages(box.init));
}

CASE(who_lacks_memory_cannot_be_dumped) {
  const Box box = holding_box(stage, seconds(2));
  LAZY_PAGES(stage, box);
  const Box there = restored(stage, box);
  DumpSpec spec;
  spec.images = stage.peer_scratch() + "/again";
  MUST(stage.peer().files().make_directory(spec.images));
  REFUSED(stage.peer().checkpoints().dump(there.init, spec), busy);
  given(stage, box, there);
  MUST(stage.peer().checkpoints().dump(there.init, spec));
}

CASE(who_lacks_memory_can_be_frozen_and_ended) {
  const Box box = holding_box(stage, seconds(2));
  LAZY_PAGES(stage, box);
  const Box there = restored(stage, box);
  MUST(stage.peer().cgroups().freeze(there.group));
  BOOST_CHECK(MUST(stage.peer().checkpoints().lacks_pages(there.init)));
  end(stage.peer(), there);
  REFUSED(stage.peer().checkpoints().lacks_pages(there.init), not_running);
  // Nobody needs it any more, and the source may go on.
  CHANGED(stage.kernel().checkpoints().drop_pages(box.init));
  MUST(stage.kernel().cgroups().thaw(box.group));
  BOOST_CHECK(eventually(stage, kPatience, [&] { return reported(stage.kernel(), box); }));
}

CASE(the_end_of_the_processes_ends_the_holding) {
  const Box box = holding_box(stage, seconds(60));
  LAZY_PAGES(stage, box);
  Checkpoints& checkpoints = stage.kernel().checkpoints();
  MUST(checkpoints.dump(box.init, lazily(new_images(stage))));
  end(stage.kernel(), box);
  const auto channel = connected(stage, "echo");
  REFUSED(checkpoints.give_pages(box.init, *channel), not_running);
  REFUSED(checkpoints.take_pages(box.init, *channel), not_running);
  REFUSED(checkpoints.drop_pages(box.init), not_running);
  REFUSED(checkpoints.lacks_pages(box.init), not_running);
}

CASE(lazy_dumps_and_restores_belong_together) {
  const Box box = holding_box(stage, seconds(60));
  LAZY_PAGES(stage, box);
  Checkpoints& checkpoints = stage.kernel().checkpoints();
  DumpSpec spec = lazily(new_images(stage));
  for (const AfterDump after : {AfterDump::kill, AfterDump::run}) {
    spec.after = after;
    REFUSED(checkpoints.dump(box.init, spec), invalid_argument);
  }
  const auto channel = connected(stage, "echo");
  REFUSED(checkpoints.give_pages(box.init, *channel), not_found);
  REFUSED(checkpoints.take_pages(box.init, *channel), not_found);
  BOOST_CHECK(!MUST(checkpoints.lacks_pages(box.init)));
  // Nobody may take half the memory for all of it.
  spec.after = AfterDump::stay_frozen;
  MUST(checkpoints.dump(box.init, spec));
  RestoreSpec restore = sent_over(stage, box, spec.images);
  restore.lazy = false;
  REFUSED(stage.peer().checkpoints().restore(restore), invalid_argument);
  BOOST_CHECK(MUST(stage.peer().processes().list()).empty());
}

}  // namespace

Area lazy_pages_area() {
  return {"lazy_pages", cases()};
}

}  // namespace twinhull::contract
