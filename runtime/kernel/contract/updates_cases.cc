// What the runtime relies on: Channels, transfers between trees that differ.
#include <memory>

#include "runtime/kernel/channels.h"
#include "runtime/kernel/contract/checks.h"
#include "runtime/kernel/contract/peer_channel.h"
#include "runtime/kernel/mounts.h"

namespace twinhull::contract {
namespace {

std::vector<Case>& cases() {
  static std::vector<Case> list;
  return list;
}

std::string noise(std::size_t size) {
  std::string content;
  std::uint64_t state = 88172645463325252ULL;
  while (content.size() < size) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    content += static_cast<char>(state & 0xff);
  }
  return content;
}

struct Trees {
  ContractStage& stage;
  Files& files = stage.kernel().files();
  std::string from = stage.scratch() + "/d";
  std::string to = stage.peer_scratch() + "/copy";

  void fill() {
    MUST(files.make_directory(from));
    MUST(stage.peer().files().make_directory(to));
    MUST(files.make_directory(from + "/d", 0700));
    MUST(files.make_directory(from + "/old"));
    MUST(files.make_directory(from + "/goes"));
    MUST(files.write(from + "/same", noise(400'000)));
    MUST(files.write(from + "/d/content", std::string(100, 'a')));
    MUST(files.write(from + "/d/grows", "1"));
    MUST(files.write(from + "/d/shrinks", noise(20'000)));
    MUST(files.write(from + "/d/mode", noise(3000)));
    MUST(files.write(from + "/d/owner", "o"));
    MUST(files.write(from + "/old/f", "renamed"));
    MUST(files.write(from + "/goes/f", "removed"));
    MUST(files.write(from + "/kind", "a directory soon"));
    MUST(files.write(from + "/one", "linked"));
    MUST(files.hard_link(from + "/one", from + "/two"));
    MUST(files.make_symlink("here", from + "/link"));
  }

  void change() {
    MUST(files.write(from + "/d/content", std::string(100, 'b')));
    MUST(files.append(from + "/d/grows", std::string(5000, '2')));
    MUST(files.write(from + "/d/shrinks", "s"));
    MUST(files.set_mode(from + "/d/mode", 0751));
    MUST(files.set_owner(from + "/d/owner", {7, 8}));
    MUST(files.rename(from + "/old", from + "/new"));
    MUST(files.remove_tree(from + "/goes"));
    MUST(files.remove(from + "/kind"));
    MUST(files.make_directory(from + "/kind"));
    MUST(files.write(from + "/kind/created", "new"));
    MUST(files.remove(from + "/two"));
    MUST(files.hard_link(from + "/one", from + "/d/three"));
    MUST(files.remove(from + "/link"));
    MUST(files.make_symlink("there", from + "/link"));
  }

  std::unique_ptr<Channel> connected(const std::string& service) {
    auto channel = contract::connected(stage, service);
    MUST(channel->send(to));
    return channel;
  }

  Result<TransferResult> try_send(const TransferOptions& how) {
    const auto channel = connected("tree-sink");
    auto sent = channel->send_tree(from, how);
    const std::string said = next(*channel);
    if (sent) {
      BOOST_CHECK_EQUAL(said, sent->digest + " " + std::to_string(sent->size.bytes.value) + " " +
                                   std::to_string(sent->size.inodes.value));
      if (how.hollow.empty()) BOOST_CHECK(sent->size == MUST(files.measure_tree(from)));
    } else {
      BOOST_CHECK_EQUAL(said, "error " + std::string(to_string(sent.error().code)));
    }
    MUST(channel->send("still usable"));
    channel->close();
    return sent;
  }
  TransferResult send(const TransferOptions& how) { return MUST(try_send(how)); }
  void check_equal() {
    BOOST_CHECK_EQUAL(MUST(files.digest_tree(from)), MUST(stage.peer().files().digest_tree(to)));
  }
};

void two_passes(ContractStage& stage, bool by_time) {
  Trees trees{stage};
  trees.fill();
  MUST(stage.kernel().clock().sleep(milliseconds(100)));
  const WallTime moment = stage.kernel().clock().wall();
  const TransferResult first = trees.send({.changing = true});
  BOOST_CHECK(first.sent == first.size);
  BOOST_CHECK_EQUAL(first.removed.value, 0);
  trees.check_equal();
  trees.change();
  TransferOptions how{.update = true};
  if (by_time) how.unchanged_before = moment;
  const TransferResult second = trees.send(how);
  trees.check_equal();
  BOOST_CHECK(second.sent.bytes.value >= 5104 && second.sent.bytes.value < 20'000);
  BOOST_CHECK(second.removed.value >= 6);
  BOOST_CHECK_MESSAGE(second.wire.value < 100'000, second.wire.value << " bytes crossed");
}

CASE(two_passes_give_an_equal_tree) {
  two_passes(stage, false);
}

CASE(two_passes_by_time_give_an_equal_tree) {
  two_passes(stage, true);
}

CASE(an_update_of_an_equal_tree_sends_no_content) {
  Trees trees{stage};
  trees.fill();
  trees.send({});
  const TransferResult again = trees.send({.update = true});
  BOOST_CHECK_EQUAL(again.sent.inodes.value, 0);
  BOOST_CHECK_EQUAL(again.sent.bytes.value, 0);
  BOOST_CHECK_EQUAL(again.removed.value, 0);
  BOOST_CHECK(again.wire.value < 20'000);
}

CASE(an_update_completes_a_half_copy) {
  Trees trees{stage};
  trees.fill();
  trees.send({});
  Files& peer = stage.peer().files();
  MUST(peer.write(trees.to + "/same", std::string(1000, 'x')));
  MUST(peer.remove(trees.to + "/d/shrinks"));
  MUST(peer.remove(trees.to + "/two"));
  MUST(peer.write(trees.to + "/stray", "not of the tree"));
  const TransferResult sent = trees.send({.update = true});
  BOOST_CHECK_EQUAL(sent.sent.bytes.value, 420'000);
  BOOST_CHECK_EQUAL(sent.removed.value, 2);
  trees.check_equal();
}

CASE(an_update_finds_content_of_the_same_size) {
  Trees trees{stage};
  trees.fill();
  trees.send({});
  MUST(stage.peer().files().write(trees.to + "/one", "LINKED"));
  BOOST_CHECK_EQUAL(trees.send({.update = true}).sent.bytes.value, 6);
  trees.check_equal();
}

CASE(an_update_into_an_empty_directory_fills_it) {
  Trees trees{stage};
  trees.fill();
  const TransferResult sent = trees.send({.update = true});
  BOOST_CHECK_EQUAL(sent.removed.value, 0);
  BOOST_CHECK(sent.sent.bytes == sent.size.bytes);
  trees.check_equal();
}

void hollow_directories(ContractStage& stage, const TransferOptions& how) {
  Trees trees{stage};
  trees.fill();
  MUST(trees.files.hard_link(trees.from + "/d/content", trees.from + "/second"));
  trees.send({.changing = how.changing, .hollow = {"d", "old", "one", "no/such"}});
  Files& peer = stage.peer().files();
  BOOST_CHECK(MUST(peer.list(trees.to + "/d")).empty());
  BOOST_CHECK(MUST(peer.list(trees.to + "/old")).empty());
  BOOST_CHECK_EQUAL(MUST(peer.stat(trees.to + "/d"))->mode, 0700U);
  BOOST_CHECK_EQUAL(MUST(peer.read(trees.to + "/goes/f")), "removed");
  BOOST_CHECK_EQUAL(MUST(peer.read(trees.to + "/second")), std::string(100, 'a'));
  BOOST_CHECK_EQUAL(MUST(peer.read(trees.to + "/two")), "linked");
}

CASE(hollow_directories_go_without_their_content) {
  hollow_directories(stage, {});
}

CASE(hollow_directories_of_a_tree_in_use) {
  hollow_directories(stage, {.changing = true});
}

CASE(an_update_empties_what_is_hollow_now) {
  Trees trees{stage};
  trees.fill();
  trees.send({});
  const TransferResult sent = trees.send({.update = true, .hollow = {"d"}});
  BOOST_CHECK_EQUAL(sent.removed.value, 5);
  BOOST_CHECK_EQUAL(sent.sent.bytes.value, 0);
  BOOST_CHECK(MUST(stage.peer().files().list(trees.to + "/d")).empty());
  BOOST_CHECK_EQUAL(MUST(stage.peer().files().read(trees.to + "/old/f")), "renamed");
}

CASE(what_repeats_crosses_compressed) {
  Trees trees{stage};
  MUST(trees.files.make_directory(trees.from));
  MUST(stage.peer().files().make_directory(trees.to));
  MUST(trees.files.write(trees.from + "/f", std::string(1 << 20, 'f')));
  BOOST_CHECK(trees.send({.compress = true}).wire.value < (1 << 19));
  trees.check_equal();
}

CASE(an_update_keeps_the_rate) {
  Trees trees{stage};
  trees.fill();
  const Instant begin = stage.kernel().clock().now();
  trees.send({.rate = BytesPerSecond{400'000}, .update = true});
  const Duration took = stage.kernel().clock().now() - begin;
  BOOST_CHECK_MESSAGE(took >= milliseconds(600) && took < seconds(30),
                      "1 s of data took " << took.count() << " ns");
}

CASE(an_update_that_is_refused_leaves_the_channel_usable) {
  Trees trees{stage};
  trees.fill();
  MUST(stage.peer().files().remove(trees.to));
  REFUSED(trees.try_send({.update = true}), not_found);
}

CASE(an_update_completes_what_a_full_disk_broke_off) {
  Trees trees{stage};
  const std::string small = stage.peer_scratch() + "/small";
  trees.to = small + "/copy";
  MUST(stage.peer().files().make_directory(small));
  MUST(stage.peer().mounts().tmpfs(small, Bytes{1 << 20}));
  trees.fill();
  MUST(stage.peer().files().write(small + "/other", noise(800'000)));
  REFUSED(trees.try_send({}), no_space);
  MUST(stage.peer().files().remove(small + "/other"));
  trees.send({.update = true});
  trees.check_equal();
  // The same for an update.
  trees.change();
  MUST(trees.files.write(trees.from + "/same", noise(600'000)));
  MUST(stage.peer().files().write(small + "/other", noise(450'000)));
  REFUSED(trees.try_send({.update = true}), no_space);
  MUST(stage.peer().files().remove(small + "/other"));
  trees.send({.update = true});
  trees.check_equal();
  MUST(stage.peer().mounts().unmount(small));
}

CASE(an_update_completes_what_a_vanished_peer_broke_off) {
  Trees trees{stage};
  trees.fill();
  // Only the name of the directory is not synced by a transfer.
  MUST(stage.peer().files().sync(stage.peer_scratch()));
  trees.send({});
  trees.change();
  MUST(trees.files.write(trees.from + "/same", noise(600'000)));
  const auto channel = trees.connected("tree-vanish");
  // Three seconds of data: the peer vanishes in the middle.
  REFUSED(channel->send_tree(trees.from, {.rate = BytesPerSecond{200'000}, .update = true}),
          connection_lost);
  MUST(stage.kernel().clock().sleep(seconds(1)));
  trees.send({.update = true});
  trees.check_equal();
}

}  // namespace

Area updates_area() {
  return {"updates", cases()};
}

}  // namespace twinhull::contract
