// A machine's Debian as it is becomes a container and boots, on the real kernel.
// Root only; it loads packages from the mirror that the machine itself uses.
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <string>
#include <vector>

#include "runtime/kernel/files.h"
#include "runtime/kernel/processes.h"
#include "tools/commands.h"
#include "tools/vzctl/debian_node.h"
#include "machine_peer_options.h"

namespace twinhull::tools {
namespace {

struct Fixture : DebianNode {
  Fixture() : DebianNode(with_machine()) {}
  RealNode::Outcome p2v(std::vector<std::string> words) {
    words.insert(words.begin(), "vzp2v");
    CapturedConsole console;
    Session session{real->node().kernel(), Layout{real->node().root()}, console};
    const int code = vzp2v(session, words);
    return {code, console.out_text, console.error_text};
  }
};

BOOST_FIXTURE_TEST_CASE(debian_that_works_becomes_a_container, Fixture) {
  // The machine is a container, which shows itself as one: with its own mounts, services and name.
  real->done("create 101 --ostemplate debian-12-x86_64 --hostname metal");
  real->done("start 101 --wait");
  BOOST_TEST(booted() == "running");
  Files& files = real->node().kernel().files();
  BOOST_REQUIRE(files.write(real->node() / "/vz/root/101/etc/systemd/system/db.service",
                            "[Service]\nExecStart=/bin/sleep 10000\nExecStop=/bin/sh -c \"echo "
                            "stopped > /srv/state\"\n"));
  real->done("exec 101 'systemctl daemon-reload; systemctl start db; echo x > /run/volatile'");
  BOOST_TEST(real->inside("systemctl is-active db") == "active");
  const auto init = real->node().kernel().processes().find("101").value();
  BOOST_REQUIRE(init.has_value());
  BOOST_REQUIRE(::setenv("TH_TEST_MACHINE", std::to_string(init->pid).c_str(), 1) == 0);

  const auto refused = p2v({"web", "--ctid", "102", "-s", "db,nosuch"});
  BOOST_TEST(refused.code == 8, refused.text());
  BOOST_TEST(real->inside("systemctl is-active db") == "active");
  BOOST_TEST(!files.stat(real->node() / "/vz/private/102").value().has_value());

  const auto made = p2v({"web", "--ctid", "102", "-s", "db,rescue.service", "--hostname", "copy"});
  BOOST_TEST(made.code == 0, made.text());
  BOOST_TEST_MESSAGE(made.text());
  BOOST_TEST(made.out.find("Stopped on the machine: db\n") != std::string::npos, made.text());
  BOOST_TEST(real->inside("systemctl is-active db; cat /srv/state") == "inactive\nstopped");
  real->done("stop 101");
  real->done("start 102 --wait");
  const auto copy = [this](const char* words) {
    return real->vzctl("exec2 102 '" + std::string(words) + "'").out;
  };
  BOOST_TEST(copy("systemctl is-system-running --wait") == "running\n");
  BOOST_TEST(copy("hostname; cat /srv/state; systemctl cat db | grep -c ExecStart") ==
             "copy\nstopped\n1\n");
  BOOST_TEST(copy("test -e /run/volatile || echo gone") == "gone\n");
  real->done("stop 102");
  BOOST_TEST(real->leaks() == "");
  real->done("destroy 101");
  real->done("destroy 102");
}

BOOST_FIXTURE_TEST_CASE(debian_of_a_disk_boots_as_a_container, Fixture) {
  Files& files = real->node().kernel().files();
  const std::string tree = real->node() / "/disk";
  BOOST_REQUIRE_EQUAL(
      shell("cp -a " + (real->node() / "/vz/template/cache/debian-12-x86_64 ") + tree), 0);
  // As an installer leaves it.
  BOOST_REQUIRE(files.write(tree + "/etc/fstab",
                            "UUID=1234 / ext4 errors=remount-ro 0 1\n/dev/sda5 none swap sw 0 0\n"
                            "/dev/sdb1 /data xfs defaults 0 2\n"));
  BOOST_REQUIRE(files.make_directory(tree + "/etc/network"));
  BOOST_REQUIRE(files.write(tree + "/etc/network/interfaces",
                            "auto lo\niface lo inet loopback\nauto eth0\niface eth0 inet dhcp\n"));
  BOOST_REQUIRE(files.write(tree + "/etc/hostname", "metal\n"));
  BOOST_REQUIRE_EQUAL(shell("mkdir -p " + tree + "/lib/modules/6.1.0-18-amd64 && echo x > " + tree +
                            "/boot/vmlinuz-6.1.0-18-amd64 && chroot " + tree +
                            " systemctl enable serial-getty@ttyS0.service >/dev/null 2>&1"),
                      0);
  const auto made = p2v({"--directory", tree, "--ctid", "101", "--ipadd", "10.77.0.2"});
  BOOST_TEST(made.code == 0, made.text());
  BOOST_TEST(made.out.find("debian-12") != std::string::npos, made.text());

  real->done("start 101 --wait");
  BOOST_TEST(booted() == "running");
  BOOST_TEST(real->inside("systemctl --failed --no-legend | wc -l") == "0");
  BOOST_TEST(real->inside("cat /proc/1/comm; hostname") == "systemd\nmetal");
  BOOST_TEST(real->inside("ip -o addr show venet0 | grep -c 10.77.0.2") == "1");
  BOOST_TEST(real->inside("grep -q eth0 /etc/network/interfaces || echo gone") == "gone");
  BOOST_TEST(real->inside("ls /lib/modules /boot | grep -c 6.1; true") == "0");
  BOOST_TEST(real->inside("systemctl is-enabled serial-getty@ttyS0.service getty@tty1.service; "
                          "true") == "masked\nmasked");
  BOOST_TEST(real->inside("pgrep -c agetty; true") == "0");
  const auto stopped = real->vzctl("stop 101");
  BOOST_TEST(stopped.code == 0, stopped.text());
  BOOST_TEST(stopped.out.find("timeout") == std::string::npos, stopped.text());
  BOOST_TEST(real->leaks() == "");
  real->done("destroy 101");
}

}  // namespace
}  // namespace twinhull::tools
