// A tree that holds a system becomes a container, on the real kernel. Root only.
#include <boost/test/unit_test.hpp>
#include <cstdlib>

#include "runtime/kernel/files.h"
#include "tools/commands.h"
#include "tools/vzctl/real_node.h"
#include "machine_peer_options.h"

namespace twinhull::tools {
namespace {

struct Fixture : RealNode {
  Fixture() : RealNode(with_machine()) {}
  Outcome run(CommandFunction command, std::vector<std::string> argv) {
    CapturedConsole console;
    Session session{node().kernel(), Layout{node().root()}, console};
    const int code = command(session, argv);
    return {code, console.out_text, console.error_text};
  }
  Files& files() { return node().kernel().files(); }
};

BOOST_FIXTURE_TEST_SUITE(vzp2v_on_linux, Fixture)

BOOST_AUTO_TEST_CASE(a_tree_becomes_a_container) {
  const std::string tree = node() / "/tree";
  BOOST_REQUIRE(files().copy_tree(node() / "/vz/template/cache/busybox", tree));
  for (const char* name : {"/srv", "/tmp", "/proc", "/boot"})
    BOOST_REQUIRE(files().make_directory(tree + name));
  BOOST_REQUIRE(files().write(tree + "/srv/data", "kept\n", 0640));
  BOOST_REQUIRE(files().set_owner(tree + "/srv/data", {33, 44}));
  BOOST_REQUIRE(files().write(tree + "/tmp/rubbish", "x"));
  BOOST_REQUIRE(files().write(tree + "/boot/vmlinuz", std::string(100'000, 'k')));
  BOOST_REQUIRE(files().write(tree + "/etc/fstab", "/dev/sda1 / ext4 defaults 0 1\n"));
  const std::string before = files().digest_tree(tree).value();

  const auto made = run(&vzp2v, {"vzp2v", "--directory", tree, "--ctid", "101", "--hostname", "web",
                                 "--name", "first", "-z", "1G"});
  BOOST_TEST(made.code == 0, made.text());
  BOOST_TEST(files().digest_tree(tree).value() == before);
  BOOST_TEST(leaks() == "");
  done("start first --wait");
  BOOST_TEST(inside("hostname; cat /srv/data; stat -c %u:%g:%a /srv/data") ==
             "web\nkept\n33:44:640");
  BOOST_TEST(inside("test -e /boot/vmlinuz || echo gone") == "gone");
  BOOST_TEST(inside("grep -c ext4 /etc/fstab; grep -c ext4 /etc/fstab.physical; true") == "0\n1");
  done("stop 101 --fast");

  const auto again = run(&vzp2v, {"vzp2v", "--directory", tree, "--ctid", "101"});
  BOOST_TEST(again.code == 9, again.text());
  const auto small =
      run(&vzp2v, {"vzp2v", "--directory", tree, "--ctid", "102", "-c", "basic", "-z", "4K"});
  BOOST_TEST(small.code == 31, small.text());
  BOOST_TEST(!files().stat(node() / "/etc/vz/conf/102.conf").value().has_value());
  BOOST_TEST(leaks() == "");
  done("destroy 101");
}

BOOST_AUTO_TEST_CASE(a_machine_that_works_becomes_a_container) {
  const std::string top = node() / "/web";
  BOOST_REQUIRE(::setenv("TH_TEST_MACHINE", top.c_str(), 1) == 0);
  BOOST_REQUIRE(files().copy_tree(node() / "/vz/template/cache/busybox", top));
  for (const char* name : {"/srv", "/boot"}) BOOST_REQUIRE(files().make_directory(top + name));
  BOOST_REQUIRE(
      files().write(top + "/etc/init.d/db",
                    "#!/bin/sh\ncase \"$1\" in\n"
                    "start) echo up > /srv/state ;;\n"
                    "stop) echo down > /srv/state; rm -f /srv/lock; echo n > /srv/new ;;\n"
                    "status) grep -q up /srv/state || exit 3 ;;\nesac\n",
                    0755));
  BOOST_REQUIRE(files().write(top + "/srv/state", "up\n"));
  BOOST_REQUIRE(files().write(top + "/srv/lock", "held by db\n"));
  BOOST_REQUIRE(files().write(top + "/srv/data", std::string(300'000, 'd'), 0600));
  BOOST_REQUIRE(files().set_owner(top + "/srv/data", {33, 44}));
  BOOST_REQUIRE(files().hard_link(top + "/srv/data", top + "/srv/second"));
  BOOST_REQUIRE(files().write(top + "/tmp/rubbish", "x"));
  BOOST_REQUIRE(files().write(top + "/mnt/below", "hidden by a mount"));

  // A service that is not known: those before it run again, and nothing is left.
  const auto refused = run(&vzp2v, {"vzp2v", "web", "--ctid", "101", "-s", "db,nosuch"});
  BOOST_TEST(refused.code == 8, refused.text());
  BOOST_TEST(refused.out.find("Started again on the machine: db") != std::string::npos,
             refused.text());
  BOOST_TEST(files().read(top + "/srv/state").value() == "up\n");
  BOOST_TEST(!files().stat(node() / "/etc/vz/conf/101.conf").value().has_value());
  BOOST_TEST(files().list(node() / "/vz/private").value().empty());
  BOOST_TEST(leaks() == "");

  BOOST_REQUIRE(files().write(top + "/srv/lock", "held by db\n"));
  const auto made = run(&vzp2v, {"vzp2v", "root@web", "--ctid", "101", "-s", "db"});
  BOOST_TEST(made.code == 0, made.text());
  BOOST_TEST_MESSAGE(made.text());
  BOOST_TEST(files().read(top + "/srv/state").value() == "down\n");
  BOOST_TEST(leaks() == "");
  done("start 101 --wait");
  BOOST_TEST(inside("hostname; cat /srv/state /srv/new; ls /srv/lock 2>/dev/null; true") ==
             "machine7\ndown\nn");
  BOOST_TEST(inside("stat -c %u:%g:%a:%h:%s /srv/data /srv/second") ==
             "33:44:600:2:300000\n33:44:600:2:300000");
  BOOST_TEST(inside("ls /tmp /mnt /boot | grep -c -e rubbish -e below; true") == "0");
  done("stop 101 --fast");
  done("destroy 101");
  BOOST_TEST(leaks() == "");
}

BOOST_AUTO_TEST_CASE(this_machine_is_watched) {
  const std::string file = node() / "/machine.conf";
  const auto seen = run(&vzhwcalc, {"vzhwcalc", "-p", "600ms", "-i", "200ms", "-o", file, "-j"});
  BOOST_TEST(seen.code == 0, seen.text());
  BOOST_TEST(seen.out.find("\"intervals\": 3") != std::string::npos, seen.text());
  const auto valid = run(&vzcfgvalidate, {"vzcfgvalidate", file});
  BOOST_TEST(valid.code == 0, valid.text() + files().read(file).value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::tools
