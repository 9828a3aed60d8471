// Channels to a real child process.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include <boost/test/unit_test.hpp>

#include "backends/linux/channel/channels.h"
#include "backends/linux/file/files.h"
#include "backends/linux/file/test_directory.h"
#include "backends/linux/test_checks.h"
#include "backends/linux/unique_fd.h"

using namespace twinhull;
using namespace twinhull::linux_backend;

namespace {

constexpr Duration kPatience = seconds(30);

struct Fixture {
  Fixture() {
    options.peers["n2"] = {TWINHULL_TEST_PEER, "{service}"};
    options.peers["none"] = {"/no/such/program"};
    options.peers["shell"] = {"sh", "-c", "no-such-command-th; exit $?"};
  }
  std::unique_ptr<Channel> connected(const std::string& service) {
    auto channel = channels->connect({"", "n2"}, service, kPatience);
    BOOST_REQUIRE_MESSAGE(channel, (channel ? "" : channel.error().message()));
    return std::move(*channel);
  }
  static std::string next(Channel& channel) {
    const auto message = channel.receive(kPatience);
    BOOST_REQUIRE_MESSAGE(message, (message ? "" : message.error().message()));
    BOOST_REQUIRE(message->has_value());
    return **message;
  }
  void fill(const std::string& from) {
    BOOST_REQUIRE(files->make_directory(from, 0751));
    BOOST_REQUIRE(files->make_directory(from + "/d", 01777));
    BOOST_REQUIRE(files->make_directory(from + "/d/empty"));
    BOOST_REQUIRE(files->write(from + "/d/f", std::string(700'000, 'f'), 04755));
    BOOST_REQUIRE(files->write(from + "/none", ""));
    BOOST_REQUIRE(files->write(from + "/" + std::string(200, 'n') + "\xff\n", "odd name"));
    BOOST_REQUIRE(files->hard_link(from + "/d/f", from + "/second"));
    BOOST_REQUIRE(files->make_symlink(std::string(300, 't'), from + "/link"));
    BOOST_REQUIRE(::mkfifo((from + "/fifo").c_str(), 0604) == 0);
    BOOST_REQUIRE(::setxattr((from + "/d").c_str(), "user.x", "v\0w", 3, 0) == 0);
    UniqueFd sparse(::open((from + "/sparse").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    BOOST_REQUIRE(::pwrite(sparse.get(), "a", 1, 16 << 20) == 1);
    BOOST_REQUIRE(::ftruncate(sparse.get(), 48 << 20) == 0);
    UniqueFd hole(::open((from + "/hole").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    BOOST_REQUIRE(::ftruncate(hole.get(), 8 << 20) == 0);
    BOOST_REQUIRE(::mknod((from + "/socket").c_str(), S_IFSOCK | 0700, 0) == 0);
    if (::geteuid() != 0) return;
    BOOST_REQUIRE(::mknod((from + "/whiteout").c_str(), S_IFCHR, makedev(0, 0)) == 0);
    BOOST_REQUIRE(::mknod((from + "/tty").c_str(), S_IFCHR | 0620, makedev(5, 0)) == 0);
    BOOST_REQUIRE(::setxattr((from + "/d").c_str(), "trusted.overlay.opaque", "y", 1, 0) == 0);
    BOOST_REQUIRE(::setxattr((from + "/d").c_str(), "trusted.overlay.origin", "z", 1, 0) == 0);
    BOOST_REQUIRE(files->set_owner(from + "/second", {70'000, 4'000'000'000}));
    BOOST_REQUIRE(files->set_mode(from + "/second", 04755));
  }

  TestDirectory top;
  NodeOptions options;
  std::unique_ptr<Files> files = make_files(options);
  std::unique_ptr<Channels> channels = make_channels(options);
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(linux_channels, Fixture)

BOOST_AUTO_TEST_CASE(messages_come_back_and_close_reaps_the_child) {
  const auto channel = connected("echo");
  for (const std::string& message : {std::string(), std::string("x"), std::string(3 << 20, 'm')}) {
    BOOST_REQUIRE(channel->send(message));
    BOOST_TEST((next(*channel) == message));
  }
  CHECK_CODE(channel->send(std::string((16 << 20) + 1, 'm')), invalid_argument);
  channel->close();
  BOOST_TEST(::waitpid(-1, nullptr, WNOHANG) == -1);
  BOOST_TEST(errno == ECHILD);
  CHECK_CODE(channel->send("x"), connection_lost);
  CHECK_CODE(channel->receive(seconds(1)), connection_lost);
}

BOOST_AUTO_TEST_CASE(two_ends_that_both_send_do_not_block_each_other) {
  const auto channel = connected("echo");
  // Together more than all buffers between the two ends hold.
  const std::string message(8 << 20, 'm');
  for (int i = 0; i < 3; ++i) BOOST_REQUIRE(channel->send(message));
  for (int i = 0; i < 3; ++i) BOOST_TEST((next(*channel) == message));
}

BOOST_AUTO_TEST_CASE(a_tree_arrives_equal_in_both_directions) {
  fill(top / "from");
  const std::string digest = files->digest_tree(top / "from").value();
  BOOST_REQUIRE(files->make_directory(top / "to"));
  const auto sink = connected("sink");
  BOOST_REQUIRE(sink->send(top / "to"));
  const auto sent = sink->send_tree(top / "from", {});
  BOOST_REQUIRE_MESSAGE(sent, (sent ? "" : sent.error().message()));
  BOOST_TEST(sent->digest == digest);
  BOOST_TEST((sent->size == files->measure_tree(top / "from").value()));
  BOOST_TEST(sent->wire.value > 700'000U);
  BOOST_TEST(sent->wire.value < 2'000'000U, "holes do not cross");
  BOOST_TEST(next(*sink) == digest);
  BOOST_TEST(files->digest_tree(top / "to").value() == digest);
  BOOST_TEST(files->stat(top / "to/sparse").value()->allocated.value < 1'000'000U);
  BOOST_TEST(files->stat(top / "to/hole").value()->allocated.value < 1'000'000U);
  BOOST_TEST((files->stat(top / "to/socket").value()->kind == FileKind::socket));
  BOOST_TEST(files->stat(top / "to/second").value()->links == 2U);
  BOOST_TEST((files->stat(top / "to/d").value()->modified ==
              files->stat(top / "from/d").value()->modified));
  BOOST_TEST(::getxattr((top / "to/d").c_str(), "trusted.overlay.origin", nullptr, 0) == -1);
  sink->close();

  BOOST_REQUIRE(files->make_directory(top / "back"));
  const auto source = connected("source");
  BOOST_REQUIRE(source->send(top / "to"));
  const auto received = source->receive_tree(top / "back");
  BOOST_REQUIRE_MESSAGE(received, (received ? "" : received.error().message()));
  BOOST_TEST(received->digest == digest);
  BOOST_TEST((received->size == sent->size));
  BOOST_TEST(next(*source) == digest);
}

BOOST_AUTO_TEST_CASE(a_receiver_that_fails_tells_why_and_the_channel_lives_on) {
  fill(top / "from");
  BOOST_REQUIRE(files->make_directory(top / "to"));
  BOOST_REQUIRE(files->write(top / "to/none", "in the way"));
  const auto channel = connected("sink");
  BOOST_REQUIRE(channel->send(top / "to"));
  const auto sent = channel->send_tree(top / "from", {});
  BOOST_REQUIRE(!sent);
  BOOST_TEST((sent.error().code == ErrorCode::exists), sent.error().message());
  BOOST_TEST(next(*channel) == "error exists");
  BOOST_REQUIRE(channel->send("still there"));
  BOOST_TEST(next(*channel) == "still there");
}

BOOST_AUTO_TEST_CASE(what_is_no_tree_is_refused_before_anything_is_sent) {
  const auto channel = connected("sink");
  CHECK_CODE(channel->send_tree(top / "missing", {}), not_found);
  BOOST_REQUIRE(files->write(top / "file", "x"));
  CHECK_CODE(channel->send_tree(top / "file", {}), not_directory);
  CHECK_CODE(channel->send_tree("relative", {}), invalid_argument);
  BOOST_REQUIRE(files->make_directory(top / "to"));
  BOOST_REQUIRE(channel->send(top / "to"));
  BOOST_REQUIRE(files->make_directory(top / "good"));
  BOOST_REQUIRE(channel->send_tree(top / "good", {}));
}

BOOST_AUTO_TEST_CASE(a_rate_is_kept) {
  BOOST_REQUIRE(files->make_directory(top / "from"));
  BOOST_REQUIRE(files->make_directory(top / "to"));
  BOOST_REQUIRE(files->write(top / "from/f", std::string(500'000, 'x')));
  const auto channel = connected("sink");
  BOOST_REQUIRE(channel->send(top / "to"));
  const auto begin = std::chrono::steady_clock::now();
  BOOST_REQUIRE(channel->send_tree(top / "from", {BytesPerSecond{1'000'000}}));
  const auto took = std::chrono::steady_clock::now() - begin;
  BOOST_TEST((took >= milliseconds(450)));
  BOOST_TEST((took < seconds(10)));
}

BOOST_AUTO_TEST_CASE(a_lost_peer_is_told_with_its_last_words) {
  const auto channel = connected("vanish");
  const auto message = channel->receive(kPatience);
  BOOST_REQUIRE(!message);
  BOOST_TEST((message.error().code == ErrorCode::connection_lost));
  BOOST_TEST(message.error().detail.find("out of cheese") != std::string::npos);
  const Status sent = channel->send(std::string(4 << 20, 'x'));
  BOOST_REQUIRE(!sent);
  BOOST_TEST((sent.error().code == ErrorCode::connection_lost));
}

BOOST_AUTO_TEST_CASE(failures_to_connect_are_told_apart) {
  const auto connect = [this](const std::string& host, const std::string& service,
                              Duration timeout = kPatience) {
    return channels->connect({"", host}, service, timeout);
  };
  CHECK_CODE(connect("n2", "nonsense"), not_supported);
  CHECK_CODE(connect("shell", "echo"), not_supported);
  CHECK_CODE(connect("none", "echo"), unreachable);
  CHECK_CODE(connect("no-such-host.invalid", "echo"), unreachable);
  CHECK_CODE(connect("n2", "mute", milliseconds(200)), timed_out);
  CHECK_CODE(connect("n2", "babble"), protocol);
  const auto complained = connect("n2", "complain");
  BOOST_REQUIRE(!complained);
  BOOST_TEST((complained.error().code == ErrorCode::unreachable));
  BOOST_TEST(complained.error().detail.find("the disk of this peer is gone") != std::string::npos);
  BOOST_TEST(::waitpid(-1, nullptr, WNOHANG) == -1, "every child was reaped");
}

BOOST_AUTO_TEST_CASE(ssh_gets_the_peer_and_one_quoted_command) {
  // Does what ssh does at the other end: a shell runs the command. $0 is the peer.
  options.ssh = {"sh", "-c", "test \"$0\" = joe@far || exit 255; exec sh -c \"$1\""};
  options.remote_command = {TWINHULL_TEST_PEER, "{service}"};
  auto channel = channels->connect({"joe", "far"}, "echo", kPatience);
  BOOST_REQUIRE_MESSAGE(channel, (channel ? "" : channel.error().message()));
  BOOST_REQUIRE((*channel)->send("x"));
  BOOST_TEST(next(**channel) == "x");
  options.remote_command = {"no-such-command-th", "{service}"};
  CHECK_CODE(channels->connect({"joe", "far"}, "echo", kPatience), not_supported);
  options.ssh = {"sh", "-c", "echo joe@far: Permission denied '(publickey)'. >&2; exit 255"};
  CHECK_CODE(channels->connect({"joe", "far"}, "echo", kPatience), not_permitted);
}

BOOST_AUTO_TEST_CASE(timeouts_leave_the_channel_usable) {
  const auto channel = connected("echo");
  CHECK_CODE(channel->receive(milliseconds(50)), timed_out);
  BOOST_REQUIRE(channel->send("x"));
  BOOST_TEST(next(*channel) == "x");
}

BOOST_AUTO_TEST_CASE(a_wish_to_stop_interrupts_once) {
  std::atomic<bool> stop = false;
  options.stop = &stop;
  const auto channel = connected("echo");
  std::jthread wisher([&stop] {
    std::this_thread::sleep_for(milliseconds(50));
    stop = true;
  });
  CHECK_CODE(channel->receive(kPatience), interrupted);
  BOOST_REQUIRE(channel->send("x"));
  BOOST_TEST(next(*channel) == "x");
}

BOOST_AUTO_TEST_SUITE_END()
