// What the runtime relies on: Channels.
#include "runtime/kernel/channels.h"
#include "runtime/kernel/contract/checks.h"
#include "runtime/kernel/contract/peer_channel.h"

namespace twinhull::contract {
namespace {

std::vector<Case>& cases() {
  static std::vector<Case> list;
  return list;
}

// A directory with a few files; returns its digest.
std::string make_tree(Files& files, const std::string& top) {
  MUST(files.make_directory(top));
  MUST(files.make_directory(top + "/d", 0700));
  MUST(files.write(top + "/d/f", std::string(300'000, 'f'), 0640));
  MUST(files.set_owner(top + "/d/f", {3, 4}));
  MUST(files.hard_link(top + "/d/f", top + "/g"));
  MUST(files.write(top + "/empty", ""));
  MUST(files.make_symlink("d/f", top + "/l"));
  return MUST(files.digest_tree(top));
}

CASE(messages_come_back_whole_and_in_order) {
  const auto channel = connected(stage, "echo");
  for (const std::string_view message : {"one", "", "two words\nand a line", "x"}) {
    MUST(channel->send(message));
  }
  for (const std::string_view message : {"one", "", "two words\nand a line", "x"})
    BOOST_CHECK_EQUAL(next(*channel), message);
}

CASE(messages_keep_any_byte) {
  const auto channel = connected(stage, "echo");
  std::string message;
  for (int i = 0; i < 1024; ++i) message += static_cast<char>(i % 256);
  MUST(channel->send(message));
  BOOST_CHECK(next(*channel) == message);
}

CASE(a_large_message_passes) {
  const auto channel = connected(stage, "echo");
  const std::string message(1 << 20, 'm');
  MUST(channel->send(message));
  BOOST_CHECK(next(*channel) == message);
}

CASE(a_message_above_the_bound_is_refused) {
  const auto channel = connected(stage, "echo");
  REFUSED(channel->send(std::string((16 << 20) + 1, 'm')), invalid_argument);
  MUST(channel->send("still works"));
  BOOST_CHECK_EQUAL(next(*channel), "still works");
}

CASE(the_peer_may_speak_first) {
  const auto channel = connected(stage, "greet");
  for (const std::string_view word : {"one", "two", "three"})
    BOOST_CHECK_EQUAL(next(*channel), word);
}

CASE(an_orderly_close_is_no_error) {
  const auto channel = connected(stage, "greet");
  for (int i = 0; i < 3; ++i) next(*channel);
  BOOST_CHECK(!MUST(channel->receive(kPatience)).has_value());
}

CASE(a_closed_channel_is_lost) {
  const auto channel = connected(stage, "echo");
  channel->close();
  REFUSED(channel->send("x"), connection_lost);
  REFUSED(channel->receive(milliseconds(100)), connection_lost);
  channel->close();
}

CASE(receive_times_out_when_nothing_comes) {
  const auto channel = connected(stage, "silent");
  const Instant begin = stage.kernel().clock().now();
  REFUSED(channel->receive(milliseconds(200)), timed_out);
  BOOST_CHECK(stage.kernel().clock().now() - begin >= milliseconds(200));
  BOOST_CHECK(stage.kernel().clock().now() - begin < seconds(20));
}

CASE(a_timed_out_channel_still_works) {
  const auto channel = connected(stage, "echo");
  REFUSED(channel->receive(milliseconds(50)), timed_out);
  MUST(channel->send("x"));
  BOOST_CHECK_EQUAL(next(*channel), "x");
}

CASE(a_peer_that_vanishes_is_told_from_one_that_closes) {
  const auto channel = connected(stage, "vanish");
  REFUSED(channel->receive(kPatience), connection_lost);
}

CASE(a_service_that_does_not_exist_is_refused) {
  MUST(stage.serve_contract_services());
  REFUSED(stage.kernel().channels().connect(stage.peer_address(), "no-such-service", kPatience),
          not_supported);
}

CASE(a_host_that_does_not_exist_is_unreachable) {
  MUST(stage.serve_contract_services());
  REFUSED(stage.kernel().channels().connect({"", "no-such-host.invalid"}, "echo", seconds(20)),
          unreachable);
}

CASE(options_of_ssh_are_refused_where_no_ssh_leads) {
  MUST(stage.serve_contract_services());
  PeerAddress peer = stage.peer_address();
  peer.ssh_options = {"-p", "2222"};
  REFUSED(stage.kernel().channels().connect(peer, "echo", kPatience), not_supported);
}

CASE(two_channels_do_not_mix) {
  const auto one = connected(stage, "echo");
  const auto two = connected(stage, "echo");
  MUST(one->send("to one"));
  MUST(two->send("to two"));
  BOOST_CHECK_EQUAL(next(*two), "to two");
  BOOST_CHECK_EQUAL(next(*one), "to one");
}

CASE(a_sent_tree_arrives_equal) {
  const std::string from = stage.scratch() + "/d", to = stage.peer_scratch() + "/copy";
  const std::string digest = make_tree(stage.kernel().files(), from);
  MUST(stage.peer().files().make_directory(to));
  const auto channel = connected(stage, "tree-sink");
  MUST(channel->send(to));
  const TransferResult sent = MUST(channel->send_tree(from, {}));
  BOOST_CHECK_EQUAL(sent.digest, digest);
  BOOST_CHECK(sent.size == MUST(stage.kernel().files().measure_tree(from)));
  BOOST_CHECK(sent.wire.value > 0);
  const std::string wanted = digest + " " + std::to_string(sent.size.bytes.value) + " " +
                             std::to_string(sent.size.inodes.value);
  BOOST_CHECK_EQUAL(next(*channel), wanted);
  BOOST_CHECK_EQUAL(MUST(stage.peer().files().digest_tree(to)), digest);
}

CASE(a_tree_that_need_not_be_durable_arrives_equal) {
  const std::string from = stage.scratch() + "/d", to = stage.peer_scratch() + "/copy";
  const std::string digest = make_tree(stage.kernel().files(), from);
  MUST(stage.peer().files().make_directory(to));
  const auto channel = connected(stage, "tree-sink");
  MUST(channel->send(to));
  BOOST_CHECK_EQUAL(MUST(channel->send_tree(from, {.durable = false})).digest, digest);
  BOOST_CHECK(next(*channel).starts_with(digest));
  BOOST_CHECK_EQUAL(MUST(stage.peer().files().digest_tree(to)), digest);
}

CASE(a_received_tree_is_equal) {
  const std::string from = stage.peer_scratch() + "/d", to = stage.scratch() + "/copy";
  const std::string digest = make_tree(stage.peer().files(), from);
  MUST(stage.kernel().files().make_directory(to));
  const auto channel = connected(stage, "tree-source");
  MUST(channel->send(from));
  const TransferResult received = MUST(channel->receive_tree(to));
  BOOST_CHECK_EQUAL(received.digest, digest);
  BOOST_CHECK_EQUAL(next(*channel), digest);
  BOOST_CHECK_EQUAL(MUST(stage.kernel().files().digest_tree(to)), digest);
}

CASE(messages_pass_after_a_tree) {
  const std::string from = stage.scratch() + "/d", to = stage.peer_scratch() + "/copy";
  make_tree(stage.kernel().files(), from);
  MUST(stage.peer().files().make_directory(to));
  const auto channel = connected(stage, "tree-sink");
  MUST(channel->send(to));
  MUST(channel->send_tree(from, {}));
  next(*channel);
  MUST(channel->send("more"));
  channel->close();
}

CASE(a_tree_that_is_not_there_is_not_sent) {
  const auto channel = connected(stage, "tree-sink");
  MUST(stage.peer().files().make_directory(stage.peer_scratch() + "/copy"));
  MUST(channel->send(stage.peer_scratch() + "/copy"));
  REFUSED(channel->send_tree(stage.scratch() + "/no", {}), not_found);
}

CASE(a_rate_is_kept) {
  const std::string from = stage.scratch() + "/d", to = stage.peer_scratch() + "/copy";
  Files& files = stage.kernel().files();
  MUST(files.make_directory(from));
  std::string content;  // of little redundancy, should a backend compress
  std::uint64_t state = 88172645463325252ULL;
  while (content.size() < 400'000) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    content += static_cast<char>(state & 0xff);
  }
  MUST(files.write(from + "/f", content));
  MUST(stage.peer().files().make_directory(to));
  const auto channel = connected(stage, "tree-sink");
  MUST(channel->send(to));
  const Instant begin = stage.kernel().clock().now();
  MUST(channel->send_tree(from, {BytesPerSecond{400'000}}));
  next(*channel);
  const Duration took = stage.kernel().clock().now() - begin;
  BOOST_CHECK_MESSAGE(took >= milliseconds(600) && took < seconds(30),
                      "1 s of data took " << took.count() << " ns");
}

}  // namespace

Area channels_area() {
  return {"channels", cases()};
}

}  // namespace twinhull::contract
