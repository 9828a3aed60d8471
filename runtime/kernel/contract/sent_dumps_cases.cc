// What the runtime relies on: images that cross while they are written.
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

#define CHECKPOINTS(stage) \
  NEEDS(stage, checkpoint, (stage).kernel().checkpoints().dump({1, 1}, {}))

/// A dump of `box` into a new directory, and where it goes on the peer.
struct Sending {
  ContractStage& stage;
  const Box& box;
  DumpSpec spec{};
  TransferOptions how{.durable = false};
  std::string to = stage.peer_scratch() + "/images";
  std::unique_ptr<Channel> channel{};

  Sending(ContractStage& where, const Box& whose) : stage(where), box(whose) {
    spec.images = stage.scratch() + "/images";
    spec.after = AfterDump::stay_frozen;
    spec.durable = false;
    MUST(stage.kernel().files().make_directory(spec.images));
    MUST(stage.peer().files().make_directory(to));
  }
  Result<SentDump> run(const std::string& service = "tree-sink") {
    channel = connected(stage, service);
    MUST(channel->send(to));
    return stage.kernel().checkpoints().dump_over(box.init, spec, *channel, how);
  }
  /// Both directories again, empty.
  void clear() {
    for (const auto& [node, path] : {std::pair(&stage.kernel(), spec.images), {&stage.peer(), to}}) {
      MUST(node->files().remove_tree(path));
      MUST(node->files().make_directory(path));
    }
  }
};

FreezeState state_of(ContractStage& stage, const Box& box) {
  return MUST(stage.kernel().cgroups().freeze_state(box.group));
}

/// After an error: the peer has heard of it, both ends can talk on, and the container runs.
void check_refused(Sending& sending, const Result<SentDump>& result, ErrorCode code) {
  BOOST_REQUIRE(!result);
  BOOST_CHECK_MESSAGE(result.error().code == code, result.error().message());
  BOOST_CHECK_EQUAL(next(*sending.channel), fmt::format("error {}", to_string(code)));
  MUST(sending.channel->send("still usable"));
  BOOST_CHECK(state_of(sending.stage, sending.box) == FreezeState::thawed);
  BOOST_CHECK(MUST(sending.stage.kernel().processes().alive(sending.box.init)));
}

CASE(images_cross_while_they_are_written) {
  CHECKPOINTS(stage);
  const Box box = holding_box(stage, seconds(2));
  Sending sending(stage, box);
  const SentDump both = MUST(sending.run());
  BOOST_CHECK_GE(to_bytes(both.dump.written).value, kHeld);
  BOOST_CHECK(both.dump.images >= to_bytes(both.dump.written));
  BOOST_CHECK(both.sent.size == both.sent.sent);
  BOOST_CHECK_GE(both.sent.wire.value, both.dump.images.value);
  BOOST_CHECK(both.sent.size == MUST(stage.kernel().files().measure_tree(sending.spec.images)));
  BOOST_CHECK_EQUAL(next(*sending.channel),
                    fmt::format("{} {} {}", both.sent.digest, both.sent.size.bytes.value,
                                both.sent.size.inodes.value));
  BOOST_CHECK_EQUAL(MUST(stage.kernel().files().digest_tree(sending.spec.images)),
                    MUST(stage.peer().files().digest_tree(sending.to)));
  MUST(sending.channel->send("still usable"));
  BOOST_CHECK(state_of(stage, box) == FreezeState::frozen);

  // They serve there.
  RestoreSpec spec = root_at_peer(stage, box);
  spec.images = sending.to;
  const ProcessRef init = MUST(stage.peer().checkpoints().restore(spec)).init;
  const Box there = {spec.label, spec.root, {}, spec.cgroup, init};
  BOOST_CHECK(eventually(stage, kPatience, [&] { return reported(stage.peer(), there); }));
  BOOST_CHECK(!reported(stage.kernel(), box));
}

CASE(a_dump_that_crosses_can_leave_it_running) {
  CHECKPOINTS(stage);
  const Box box = holding_box(stage, seconds(2));
  Sending sending(stage, box);
  sending.spec.after = AfterDump::run;
  sending.spec.durable = sending.how.durable = true;
  MUST(sending.run());
  BOOST_CHECK(state_of(stage, box) == FreezeState::thawed);
  BOOST_CHECK(eventually(stage, kPatience, [&] { return reported(stage.kernel(), box); }));
}

CASE(images_cross_compressed_and_at_a_rate) {
  CHECKPOINTS(stage);
  const Box box = holding_box(stage, seconds(60));
  Sending sending(stage, box);
  sending.how.compress = true;
  const SentDump packed = MUST(sending.run());
  BOOST_CHECK(packed.sent.wire <= packed.sent.size.bytes + Bytes{kMebi});
  BOOST_CHECK_EQUAL(MUST(stage.kernel().files().digest_tree(sending.spec.images)),
                    MUST(stage.peer().files().digest_tree(sending.to)));
  sending.clear();
  sending.how.compress = false;
  sending.how.rate = BytesPerSecond{16 * kMebi};
  const Instant begun = stage.kernel().clock().now();
  MUST(sending.run());
  // 32 MiB at 16 a second; the freezer was closed already.
  BOOST_CHECK_GE((stage.kernel().clock().now() - begun).count(), Duration(milliseconds(1900)).count());
  BOOST_CHECK(state_of(stage, box) == FreezeState::frozen);
}

CASE(the_peer_hears_of_a_dump_that_is_refused) {
  CHECKPOINTS(stage);
  const Box box = holding_box(stage, seconds(60));
  Sending sending(stage, box);
  const DumpSpec good = sending.spec;
  sending.spec.after = AfterDump::kill;
  check_refused(sending, sending.run(), ErrorCode::invalid_argument);
  sending.spec = good;
  sending.spec.lazy = true;
  check_refused(sending, sending.run(), ErrorCode::invalid_argument);
  sending.spec = good;
  sending.how.update = true;
  check_refused(sending, sending.run(), ErrorCode::invalid_argument);
  sending.how.update = false;
  sending.spec.devices = {{"eth7", "th-7"}};
  check_refused(sending, sending.run(), ErrorCode::invalid_argument);
  sending.spec = good;
  sending.spec.images = stage.scratch() + "/no";
  check_refused(sending, sending.run(), ErrorCode::not_found);
  sending.spec = good;
  MUST(stage.kernel().files().write(good.images + "/other", "x"));
  check_refused(sending, sending.run(), ErrorCode::not_empty);
  // None of them is in the way of one that is not.
  sending.clear();
  MUST(sending.run());
  MUST(stage.kernel().processes().signal(box.init, Signal::kill));
  MUST(stage.kernel().cgroups().thaw(box.group));
  MUST(stage.kernel().processes().wait_gone(box.init, seconds(10)));
  sending.clear();
  const auto gone = sending.run();
  BOOST_REQUIRE(!gone);
  BOOST_CHECK(gone.error().code == ErrorCode::not_running);
  BOOST_CHECK_EQUAL(next(*sending.channel), "error not_running");
}

CASE(a_dump_that_fails_half_way_fails_there_too) {
  CHECKPOINTS(stage);
  const Box box = holding_box(stage, seconds(4));
  Sending sending(stage, box);
  MUST(stage.kernel().mounts().tmpfs(sending.spec.images, {16 * kMebi}));
  check_refused(sending, sending.run(), ErrorCode::no_space);
  MUST(stage.kernel().mounts().unmount(sending.spec.images));
  sending.clear();
  MUST(sending.run());
  MUST(stage.kernel().cgroups().thaw(box.group));
  BOOST_CHECK(eventually(stage, kPatience, [&] { return reported(stage.kernel(), box); }));
}

CASE(a_peer_that_cannot_keep_the_images_leaves_the_processes_as_they_were) {
  CHECKPOINTS(stage);
  const Box box = holding_box(stage, seconds(4));
  Sending sending(stage, box);
  MUST(stage.peer().mounts().tmpfs(sending.to, {16 * kMebi}));
  check_refused(sending, sending.run(), ErrorCode::no_space);
  MUST(stage.peer().mounts().unmount(sending.to));
  BOOST_CHECK(eventually(stage, kPatience, [&] { return reported(stage.kernel(), box); }));
}

CASE(a_connection_that_breaks_leaves_the_processes_as_they_were) {
  CHECKPOINTS(stage);
  const Box box = holding_box(stage, seconds(8));
  Sending sending(stage, box);
  // Three seconds of memory: the peer vanishes in the middle.
  sending.how.rate = BytesPerSecond{kHeld / 3};
  REFUSED(sending.run("tree-vanish"), connection_lost);
  BOOST_CHECK(state_of(stage, box) == FreezeState::thawed);
  BOOST_CHECK(MUST(stage.kernel().processes().alive(box.init)));
  MUST(stage.kernel().clock().sleep(seconds(1)));
  sending.how.rate.reset();
  sending.clear();
  MUST(sending.run());
  MUST(stage.kernel().cgroups().thaw(box.group));
  BOOST_CHECK(eventually(stage, kPatience, [&] { return reported(stage.kernel(), box); }));
}

CASE(a_group_that_was_frozen_stays_so_after_an_error) {
  CHECKPOINTS(stage);
  const Box box = holding_box(stage, seconds(60));
  Sending sending(stage, box);
  MUST(stage.kernel().cgroups().freeze(box.group));
  MUST(stage.peer().files().remove_tree(sending.to));
  REFUSED(sending.run(), not_found);
  BOOST_CHECK(state_of(stage, box) == FreezeState::frozen);
}

}  // namespace

Area sent_dumps_area() {
  return {"sent_dumps", cases()};
}

}  // namespace twinhull::contract
