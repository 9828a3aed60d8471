// Updates and trees in use, between a real child process and this one.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include <boost/test/unit_test.hpp>

#include "backends/linux/channel/channels.h"
#include "backends/linux/file/files.h"
#include "backends/linux/file/test_directory.h"
#include "backends/linux/test_checks.h"

using namespace twinhull;
using namespace twinhull::linux_backend;

namespace {

std::string noise(std::size_t size, std::uint64_t state = 88172645463325252ULL) {
  std::string bytes;
  while (bytes.size() < size) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    bytes += static_cast<char>(state & 0xff);
  }
  return bytes;
}

struct Fixture {
  Fixture() {
    options.peers["n2"] = {TWINHULL_TEST_PEER, "{service}"};
    BOOST_REQUIRE(files->make_directory(from));
    BOOST_REQUIRE(files->make_directory(to));
  }

  void write(const std::string& name, const std::string& content) {
    BOOST_REQUIRE(files->write(from + "/" + name, content));
  }

  Result<TransferResult> try_send(const TransferOptions& how) {
    auto channel = channels->connect({"", "n2"}, "sink", seconds(30));
    BOOST_REQUIRE(channel);
    BOOST_REQUIRE((*channel)->send(to));
    auto sent = (*channel)->send_tree(from, how);
    const auto said = (*channel)->receive(seconds(30));
    BOOST_REQUIRE((said && *said));
    if (sent) BOOST_TEST(**said == sent->digest);
    BOOST_REQUIRE((*channel)->send("usable"));
    const auto back = (*channel)->receive(seconds(30));
    BOOST_REQUIRE((back && *back));
    BOOST_TEST(**back == "usable");
    return sent;
  }
  TransferResult send(const TransferOptions& how) {
    auto sent = try_send(how);
    BOOST_REQUIRE_MESSAGE(sent, (sent ? "" : sent.error().message()));
    BOOST_TEST((sent->size == files->measure_tree(from).value()));
    return *sent;
  }
  void check_equal() {
    BOOST_TEST(files->digest_tree(from).value() == files->digest_tree(to).value());
  }
  static WallTime now() {
    timespec time{};
    ::clock_gettime(CLOCK_REALTIME, &time);
    return WallTime(seconds(time.tv_sec) + nanoseconds(time.tv_nsec));
  }
  void settle() { std::this_thread::sleep_for(milliseconds(60)); }  // a few ticks of the kernel

  void fill() {
    BOOST_REQUIRE(files->make_directory(from + "/d"));
    BOOST_REQUIRE(files->make_directory(from + "/d/e"));
    BOOST_REQUIRE(files->make_directory(from + "/d.x"));
    write("same", noise(900'000));
    write("d/content", std::string(100, 'a'));
    write("d/grows", "1");
    write("d/shrinks", noise(50'000));
    write("d/e/goes", "x");
    write("d/mode", "mode");
    write("d.x/name\xff\n", "odd");
    write("one", noise(40'000, 7));
    BOOST_REQUIRE(files->hard_link(from + "/one", from + "/two"));
    BOOST_REQUIRE(files->hard_link(from + "/one", from + "/d/three"));
    write("becomes", "a directory");
    BOOST_REQUIRE(files->make_directory(from + "/turns"));
    write("turns/inside", "gone");
    BOOST_REQUIRE(files->make_symlink("here", from + "/link"));
    BOOST_REQUIRE(::setxattr((from + "/d/mode").c_str(), "user.old", "1", 1, 0) == 0);
    BOOST_REQUIRE(::mknod((from + "/socket").c_str(), S_IFSOCK | 0700, 0) == 0);
  }

  void change() {
    write("d/content", std::string(100, 'b'));
    write("d/grows", std::string(3000, '2'));
    write("d/shrinks", "s");
    BOOST_REQUIRE(files->remove_tree(from + "/d/e"));
    BOOST_REQUIRE(files->set_mode(from + "/d/mode", 0751));
    BOOST_REQUIRE(::removexattr((from + "/d/mode").c_str(), "user.old") == 0);
    BOOST_REQUIRE(::setxattr((from + "/d").c_str(), "user.new", "2", 1, 0) == 0);
    BOOST_REQUIRE(files->rename(from + "/d.x", from + "/d.y"));
    BOOST_REQUIRE(files->remove(from + "/two"));
    BOOST_REQUIRE(files->hard_link(from + "/one", from + "/zwei"));
    BOOST_REQUIRE(files->remove(from + "/becomes"));
    BOOST_REQUIRE(files->make_directory(from + "/becomes"));
    write("becomes/new", "new");
    BOOST_REQUIRE(files->remove_tree(from + "/turns"));
    write("turns", "a file");
    BOOST_REQUIRE(files->remove(from + "/link"));
    BOOST_REQUIRE(files->make_symlink("elsewhere", from + "/link"));
  }

  TestDirectory top;
  const std::string from = top / "from";
  const std::string to = top / "to";
  NodeOptions options;
  std::unique_ptr<Files> files = make_files(options);
  std::unique_ptr<Channels> channels = make_channels(options);
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(linux_tree_updates, Fixture)

BOOST_AUTO_TEST_CASE(two_passes_give_an_equal_tree) {
  for (const bool by_time : {false, true}) {
    BOOST_REQUIRE(files->remove_tree(from));
    BOOST_REQUIRE(files->remove_tree(to));
    BOOST_REQUIRE(files->make_directory(from));
    BOOST_REQUIRE(files->make_directory(to));
    fill();
    settle();
    const WallTime moment = now();
    const TransferResult first = send({.changing = true});
    BOOST_TEST((first.sent == first.size));
    check_equal();
    change();
    TransferOptions how{.update = true};
    if (by_time) how.unchanged_before = moment;
    const TransferResult second = send(how);
    check_equal();
    BOOST_TEST(second.wire.value < 150'000U, second.wire.value);
    // Changed link counts change the inode, so that by time the content of "one" goes again.
    BOOST_TEST(second.sent.bytes.value < 50'000U);
    BOOST_TEST(second.removed.value >= 8U);
    for (const char* name : {"/d", "/turns", "/becomes", "/d.y", "/one"})
      BOOST_TEST((files->stat(from + name).value()->modified ==
                  files->stat(to + name).value()->modified), name);
    const TransferResult third = send(how);
    if (!by_time) {
      BOOST_TEST(third.sent.inodes.value == 0U);
      BOOST_TEST(third.removed.value == 0U);
    }
    check_equal();
  }
}

BOOST_AUTO_TEST_CASE(a_half_copy_is_completed) {
  fill();
  settle();
  const WallTime moment = now();
  for (const bool by_time : {false, true}) {
    BOOST_REQUIRE(files->remove_tree(to));
    BOOST_REQUIRE(files->make_directory(to));
    send({});
    // As a broken transfer leaves them: cut, or of the right length with nothing in it.
    BOOST_REQUIRE(::truncate((to + "/same").c_str(), 1000) == 0);
    BOOST_REQUIRE(::truncate((to + "/d/shrinks").c_str(), 0) == 0);
    BOOST_REQUIRE(::truncate((to + "/d/shrinks").c_str(), 50'000) == 0);
    BOOST_REQUIRE(files->remove(to + "/two"));
    BOOST_REQUIRE(files->write(to + "/stray", "x"));
    TransferOptions how{.update = true};
    if (by_time) how.unchanged_before = moment;
    const TransferResult sent = send(how);
    BOOST_TEST(sent.sent.bytes.value == 950'000U);
    BOOST_TEST(sent.sent.inodes.value == 2U);
    check_equal();
  }
}

BOOST_AUTO_TEST_CASE(a_time_that_was_set_back_hides_nothing_from_a_comparison) {
  write("f", "one");
  send({});
  struct stat before{};
  BOOST_REQUIRE(::stat((from + "/f").c_str(), &before) == 0);
  settle();
  const WallTime moment = now();
  settle();
  write("f", "two");
  const timespec times[2] = {before.st_atim, before.st_mtim};
  BOOST_REQUIRE(::utimensat(AT_FDCWD, (from + "/f").c_str(), times, 0) == 0);
  BOOST_TEST(send({.update = true, .unchanged_before = moment}).sent.bytes.value == 3U);
  check_equal();
  BOOST_REQUIRE(files->write(to + "/f", "six"));
  BOOST_REQUIRE(::utimensat(AT_FDCWD, (to + "/f").c_str(), times, 0) == 0);
  BOOST_TEST(send({.update = true}).sent.bytes.value == 3U);
  check_equal();
}

BOOST_AUTO_TEST_CASE(details_alone_cross_without_content) {
  write("f", noise(500'000));
  send({});
  BOOST_REQUIRE(files->set_mode(from + "/f", 0600));
  const TransferResult sent = send({.update = true});
  BOOST_TEST(sent.sent.inodes.value == 0U);
  BOOST_TEST(sent.wire.value < 20'000U);
  BOOST_TEST(sent.removed.value == 0U);
  check_equal();
}

BOOST_AUTO_TEST_CASE(a_directory_where_a_link_was_is_not_followed) {
  BOOST_REQUIRE(files->make_directory(top / "outside"));
  BOOST_REQUIRE(files->write(top / "outside/f", "stays"));
  BOOST_REQUIRE(files->make_symlink(top / "outside", to + "/d"));
  BOOST_REQUIRE(files->make_directory(from + "/d"));
  write("d/f", "inside");
  send({.update = true});
  BOOST_TEST(files->read(top / "outside/f").value() == "stays");
  check_equal();
}

BOOST_AUTO_TEST_CASE(what_repeats_is_packed_and_noise_is_not) {
  write("f", std::string(2'000'000, 'f'));
  BOOST_TEST(send({.compress = true}).wire.value < 100'000U);
  check_equal();
  BOOST_REQUIRE(files->remove(to + "/f"));
  write("f", noise(600'000));
  BOOST_TEST(send({.compress = true, .update = true}).wire.value < 660'000U);
  check_equal();
}

BOOST_AUTO_TEST_CASE(a_refused_update_leaves_the_channel_usable) {
  fill();
  BOOST_REQUIRE(files->remove_tree(to));
  CHECK_CODE(try_send({.update = true}), not_found);
}

BOOST_AUTO_TEST_CASE(a_tree_in_use_is_sent_and_put_right) {
  for (int i = 0; i < 40; ++i) {
    const std::string directory = "d" + std::to_string(i);
    BOOST_REQUIRE(files->make_directory(from + "/" + directory));
    for (int k = 0; k < 10; ++k) write(directory + "/f" + std::to_string(k), noise(9000));
  }
  std::atomic<bool> end = false;
  std::jthread churn([&] {
    for (unsigned i = 0; !end; ++i) {
      const std::string directory = from + "/d" + std::to_string(i % 40);
      const std::string file = directory + "/f" + std::to_string(i % 10);
      static_cast<void>(files->write(file, std::string(i * 37 % 20'000, 'c')));
      static_cast<void>(files->remove(directory + "/f" + std::to_string(i % 7)));
      static_cast<void>(files->rename(directory, from + "/moved"));
      static_cast<void>(files->make_directory(directory));
      static_cast<void>(files->rename(from + "/moved", directory + "/in"));
      if (i % 3 == 0) static_cast<void>(files->remove_tree(directory));
    }
  });
  const WallTime moment = now() - seconds(1);
  for (int i = 0; i < 10; ++i) {
    const auto sent = try_send({.changing = true, .update = i > 0});
    BOOST_REQUIRE_MESSAGE(sent, (sent ? "" : sent.error().message()));
  }
  end = true;
  churn.join();
  send({.update = true, .unchanged_before = moment});
  check_equal();
}

BOOST_AUTO_TEST_SUITE_END()
