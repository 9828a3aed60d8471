// The account that migrations come in by: what its shell lets in, and whose keys.
#include <boost/test/unit_test.hpp>

#include "runtime/kernel/files.h"
#include "runtime/migrate/ssh_key.h"
#include "tools/vzcfg/tools_node.h"
#include "tools/vzmpipe/request.h"

namespace twinhull::tools {
namespace {

constexpr const char* kEd25519 =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIgIUBkefjZ7n4bf/teZT5CwJxuCcseQM7+ASdrxndKk me@host";
constexpr const char* kEcdsa =
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBBtwF4EjuUfaRJNxxkp/"
    "o2wlSjtbB+aUkxmV3qTp61gWN/y61pXg2iG13YT2LUDJma+iCvvzCl0yxRhHUf9UeAM= you";
constexpr const char* kShortRsa =
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDPpwVl0J/"
    "eeYgk3OlklauSWaObWkmDHp6rPFcqUY0MVM5KjsPncsHhWOC1+asugadBV/"
    "SVHR498opjc7q4OsiR9W2nn7cDRn2XQkKX/NrxWIP1N1qlcb/altQ3vfei3+SJK20JquiOsRk6ot5ru8J8UsKzbQ+3G7O"
    "1wzNrhI6AUw==";

BOOST_AUTO_TEST_SUITE(pipe_requests)

bool let_in(std::vector<std::string> argv) {
  argv.insert(argv.begin(), "vzmpipe");
  return check_pipe_request(argv).has_value();
}

BOOST_AUTO_TEST_CASE(the_service_alone_is_let_in) {
  BOOST_TEST(let_in({"-c", "'vzmigrate' '--serve' 'migrate'"}));
  BOOST_TEST(let_in({"-c", "vzmigrate --serve migrate"}));
}

BOOST_AUTO_TEST_CASE(nothing_else_is) {
  BOOST_TEST(!let_in({}));
  BOOST_TEST(!let_in({"-c"}));
  BOOST_TEST(!let_in({"-c", ""}));
  BOOST_TEST(!let_in({"-l"}));
  BOOST_TEST(!let_in({"-c", "vzmigrate --serve migrate", "x"}));
  for (const char* command :
       {"id", "vzmigrate", "vzmigrate --serve", "vzmigrate --serve other",
        "vzmigrate --serve machine", "'vzmigrate' '--serve' 'machine'", "vzmigrate --serve migrate ", " vzmigrate --serve migrate", "vzmigrate  --serve migrate",
        "vzmigrate --serve migrate; id", "vzmigrate --serve migrate\nid",
        "vzmigrate --serve migrate&id", "vzmigrate --serve $(id)", "/tmp/vzmigrate --serve migrate",
        "./vzmigrate --serve migrate", "vzmigrate -r yes evil 101", "'vzmigrate' --serve 'migrate'",
        "\"vzmigrate\" --serve migrate", "vzmigrate --node /tmp/x --serve migrate",
        "/usr/lib/openssh/sftp-server", "scp -t /"})
    BOOST_TEST(!let_in({"-c", command}), command);
}

BOOST_AUTO_TEST_CASE(what_was_asked_for_is_shown_harmlessly) {
  const std::vector<std::string> argv{"vzmpipe", "-c", "\x1b[2J" + std::string(5000, 'x')};
  const std::string message = check_pipe_request(argv).error().message();
  BOOST_TEST(message.find('\x1b') == std::string::npos);
  BOOST_TEST(message.size() < 400U);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(public_keys)

BOOST_AUTO_TEST_CASE(good_ones) {
  const auto key = migrate::parse_public_key(std::string(kEd25519) + "\r\n").value();
  BOOST_TEST(key.type == "ssh-ed25519");
  BOOST_TEST(key.comment == "me@host");
  BOOST_TEST(key.line() == "restrict " + std::string(kEd25519) + "\n");
  BOOST_TEST(migrate::parse_public_key(kEcdsa).has_value());
  BOOST_TEST(migrate::holds_key("# x\n" + key.line(), key));
  BOOST_TEST(migrate::holds_key("command=\"x\" " + std::string(kEd25519), key));
  BOOST_TEST(!migrate::holds_key("#" + key.line(), key));
}

BOOST_AUTO_TEST_CASE(bad_ones) {
  const std::string good = kEd25519;
  for (const std::string& text :
       {std::string(), std::string("\n"), std::string("ssh-ed25519"), std::string(kShortRsa),
        "command=\"id\" " + good, "restrict " + good, good + "\n" + kEcdsa,
        "ssh-rsa" + good.substr(good.find(' ')), std::string("ssh-dss AAAA x"),
        std::string("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"), good.substr(0, 40),
        std::string("ssh-ed25519 !!!! x"), good + "\x07",
        std::string("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 x"),
        std::string("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAII== x")})
    BOOST_TEST(!migrate::parse_public_key(text).has_value(), text);
}

BOOST_AUTO_TEST_SUITE_END()

struct Fixture : ToolsNode {
  Fixture() {
    write("/etc/passwd",
          "root:x:0:0:root:/root:/bin/bash\nvzagent:x:1000:1001::/home/vzagent:/usr/sbin/vzmpipe\n"
          "other:x:1002:1002::/home/other:/bin/sh\n");
    for (const char* path : {"/home", "/home/vzagent", "/home/other"}) {
      const auto made = kernel().files().make_directory(path);
      BOOST_REQUIRE(made.has_value());
    }
  }
  void refuses(const std::string& line, const std::string& input, int code,
               const std::string& part) {
    const Outcome outcome = run(line, input);
    BOOST_TEST(outcome.code == code, outcome.text());
    BOOST_TEST(outcome.err.find(part) != std::string::npos, outcome.text());
  }
  static constexpr const char* kFile = "/home/vzagent/.ssh/authorized_keys";
};

BOOST_FIXTURE_TEST_SUITE(setting_keys, Fixture)

BOOST_AUTO_TEST_CASE(a_key_is_added_once_with_its_modes) {
  for (int round = 0; round < 2; ++round) {
    const Outcome outcome = run("vzmsetkey", std::string(kEd25519) + "\n");
    BOOST_TEST(outcome.code == 0, outcome.text());
    BOOST_TEST(file(kFile).value() == "restrict " + std::string(kEd25519) + "\n");
  }
  const auto info = kernel().files().stat(kFile).value().value();
  BOOST_TEST(info.mode == 0600U);
  BOOST_TEST(info.uid == 1000U);
  BOOST_TEST(info.gid == 1001U);
  BOOST_TEST(kernel().files().stat("/home/vzagent/.ssh").value().value().mode == 0700U);
  BOOST_TEST(run("vzmsetkey --user vzagent", kEcdsa).code == 0);
  const std::string text = file(kFile).value();
  BOOST_TEST(std::count(text.begin(), text.end(), '\n') == 2);
  BOOST_TEST(!exists(std::string(kFile) + ".new"));
  BOOST_TEST(leaks() == "");
}

BOOST_AUTO_TEST_CASE(what_was_there_stays_and_modes_are_mended) {
  BOOST_REQUIRE(kernel().files().make_directory("/home/vzagent/.ssh").has_value());
  write(kFile, "# mine\nssh-rsa AAAA old", 0666);
  BOOST_TEST(run("vzmsetkey", kEd25519).code == 0);
  BOOST_TEST(file(kFile).value() ==
             "# mine\nssh-rsa AAAA old\nrestrict " + std::string(kEd25519) + "\n");
  BOOST_TEST(kernel().files().stat(kFile).value().value().mode == 0600U);
}

BOOST_AUTO_TEST_CASE(refusals) {
  refuses("vzmsetkey", "nonsense", 1, "type of a key");
  refuses("vzmsetkey --user other", kEd25519, 1, "not vzmpipe");
  refuses("vzmsetkey --user nobody", kEd25519, 1, "no such account");
  BOOST_REQUIRE(kernel().files().make_symlink("/home/other", "/home/vzagent/.ssh").has_value());
  refuses("vzmsetkey", kEd25519, 1, ".ssh: is no directory");
  BOOST_TEST(!exists("/home/other/authorized_keys"));
  write("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n");
  refuses("vzmsetkey", kEd25519, 1, "useradd");
  refuses("vzmpipe -c id", "", 1, "nothing was run");
  BOOST_TEST(file("/var/log/vzctl.log").value().find("vzmpipe : Error: id: this account") !=
             std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace twinhull::tools
