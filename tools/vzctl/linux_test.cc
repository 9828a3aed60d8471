// A container's life by commands, on the real kernel. Root only.
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <utility>
#include <vector>

#include "runtime/kernel/files.h"
#include "runtime/kernel/processes.h"
#include "tools/vzctl/real_node.h"

namespace twinhull::tools {
namespace {

BOOST_FIXTURE_TEST_SUITE(vzctl_on_linux, RealNode)

BOOST_AUTO_TEST_CASE(a_container_lives_and_leaves_nothing) {
  done("create 101 --ostemplate busybox --hostname one --ipadd 10.77.0.2 --name first");
  const auto started = vzctl("start first --wait");
  BOOST_TEST(started.code == 0, started.text());
  BOOST_TEST_MESSAGE(started.text());
  BOOST_TEST(vzctl("status 101").out == "VEID 101 exist mounted running\n");
  BOOST_TEST(inside("hostname; cat /etc/hostname") == "one\none");
  BOOST_TEST(inside("ip addr show venet0 | grep -c 10.77.0.2") == "1");
  BOOST_TEST(vzctl("exec 101 false").code == 8);
  BOOST_TEST(vzctl("exec2 101 exit 7").code == 7);
  BOOST_TEST(vzctl("exec2 101 nothing-there").code == 127);
  BOOST_TEST(vzctl("exec2 101 -", "echo from input").out == "from input\n");
  BOOST_TEST(vzctl("start 101").code == 32);
  BOOST_TEST(inside("echo data > /kept; cat /kept") == "data");

  done("set 101 --cpuunits 2000 --ram 64M --numproc 100 --save");
  done("set 101 --ipadd 10.77.0.3 --nameserver 192.0.2.1 --save");
  BOOST_TEST(inside("ip addr show venet0 | grep -c 10.77.0") == "2");
  BOOST_TEST(inside("cat /etc/resolv.conf") == "nameserver 192.0.2.1");
  done("set 101 --ipdel 10.77.0.2 --save");
  BOOST_TEST(inside("ip addr show venet0 | grep -c 10.77.0") == "1");
  done("set 101 --hostname two.example.org --save");
  BOOST_TEST(inside("hostname; cat /etc/hostname") == "two.example.org\ntwo.example.org");
  done("set 101 --userpasswd root:s3cret");
  BOOST_TEST(inside("grep -c \"^root:[^*!:]\" /etc/shadow") == "1");

  done("restart 101 --wait");
  BOOST_TEST(inside("cat /kept") == "data");
  const auto stopped = vzctl("stop 101");
  BOOST_TEST(stopped.code == 0, stopped.text());
  BOOST_TEST(stopped.out.find("timeout") == std::string::npos, stopped.text());
  BOOST_TEST(leaks() == "");
  done("start 101");
  done("stop 101 --fast");
  BOOST_TEST(leaks() == "");
  done("destroy 101");
  BOOST_TEST(!node().kernel().files().stat(node() / "/vz/private/101").value().has_value());
}

struct Typing {
  std::string after;  ///< once the terminal has shown this
  std::string keys;
};

/// `vzctl enter 101` on a terminal of 100 columns and 40 rows: what it showed, and its exit code.
std::pair<std::string, int> typed(RealNode& node, const std::vector<Typing>& dialogue) {
  int terminal = -1;
  const winsize size{.ws_row = 40, .ws_col = 100, .ws_xpixel = 0, .ws_ypixel = 0};
  const pid_t child = ::forkpty(&terminal, nullptr, nullptr, &size);
  if (child == 0) ::_exit(node.enter());
  BOOST_REQUIRE(child > 0);
  std::string shown;
  std::size_t next = 0;
  pollfd wait{.fd = terminal, .events = POLLIN, .revents = 0};
  while (::poll(&wait, 1, 20'000) > 0) {
    char buffer[4096];
    const ssize_t got = ::read(terminal, buffer, sizeof buffer);
    if (got <= 0) break;  // EIO: the last user of the other side has gone
    shown.append(buffer, static_cast<std::size_t>(got));
    if (next == dialogue.size() || shown.find(dialogue[next].after) == std::string::npos) continue;
    const std::string& keys = dialogue[next++].keys;
    BOOST_REQUIRE_EQUAL(::write(terminal, keys.data(), keys.size()), std::ssize(keys));
  }
  ::close(terminal);  // hangs up: a shell that still waits ends
  int status = 0;
  BOOST_REQUIRE_EQUAL(::waitpid(child, &status, 0), child);
  return {shown, WIFEXITED(status) ? WEXITSTATUS(status) : -1};
}

BOOST_AUTO_TEST_CASE(enter_gives_a_working_terminal) {
  done("create 101 --ostemplate busybox --hostname one");
  done("start 101 --wait");
  const auto [shown, code] = typed(*this, {{"#", "tty; stty size; hostname; sh -c \"echo up; exec sleep 100\"\n"},
                                           {"\nup", "\x03"},
                                           {"^C", "exit 7\n"}});
  BOOST_TEST(shown.find("/dev/pts/") != std::string::npos, shown);
  BOOST_TEST(shown.find("40 100") != std::string::npos, shown);
  BOOST_TEST(shown.find("\none") != std::string::npos, shown);
  // Ctrl-C reached the program inside, not the command: the shell went on.
  BOOST_TEST(code == 7, shown);
  done("stop 101 --fast");
  BOOST_TEST(leaks() == "");
}

BOOST_AUTO_TEST_CASE(what_a_container_left_that_halted_by_itself_is_removed) {
  done("create 101 --ostemplate busybox --ipadd 10.77.0.2");
  done("start 101 --wait");
  const auto init = node().kernel().processes().find("101").value();
  BOOST_REQUIRE(init.has_value());
  (void)vzctl("exec 101 halt");
  BOOST_REQUIRE(node().kernel().processes().wait_gone(*init, std::chrono::seconds(20)));
  BOOST_TEST(vzctl("status 101").out == "VEID 101 exist mounted down\n");
  done("start 101");
  done("stop 101 --fast");
  BOOST_TEST(leaks() == "");
}

BOOST_AUTO_TEST_CASE(refusals_have_the_codes_of_the_simulator) {
  BOOST_TEST(vzctl("start 101").code == 14);
  BOOST_TEST(vzctl("create 101 --ostemplate nothing").code == 91);
  done("create 101 --ostemplate busybox --ipadd 10.77.0.2");
  done("create 102 --ostemplate busybox --ipadd 10.77.0.2");
  BOOST_TEST(vzctl("create 101 --ostemplate busybox").code == 44);
  BOOST_TEST(vzctl("stop 101").code == 31);
  BOOST_TEST(vzctl("exec 101 true").code == 31);
  BOOST_TEST(vzctl("umount 101").code == 40);
  done("start 101");
  const auto conflict = vzctl("start 102");
  BOOST_TEST(conflict.code == 78, conflict.text());
  BOOST_TEST(vzctl("destroy 101").code == 32);
  done("stop 101 --fast");
  done("mount 101");
  BOOST_TEST(vzctl("destroy 101").code == 41);
  done("umount 101");
  BOOST_TEST(leaks() == "");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::tools
