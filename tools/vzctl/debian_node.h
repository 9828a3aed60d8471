// A real node with the template debian-12-x86_64, for tests. Root only; it loads packages from the
// mirror that the machine itself uses.
#pragma once

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <memory>
#include <string>

#include "tools/vzctl/real_node.h"

namespace twinhull::tools {

/// The template, made once a build folder: a test node's network leads nowhere, so it comes first.
struct DebianNode {
  explicit DebianNode(const linux_backend::testing::TestNodeOptions& options = {}) {
    const std::string root = TWINHULL_TEMPLATES;
    BOOST_REQUIRE_EQUAL(shell("TWINHULL_ROOT=" + root +
                              " " TWINHULL_VZPKG " create cache debian-12-x86_64 >/dev/null"),
                        0);
    real = std::make_unique<RealNode>(options);
    const std::string cache = "/vz/template/cache/";
    BOOST_REQUIRE_EQUAL(
        shell("cp -a " + root + cache + "debian-12-x86_64 " + (real->node() / cache)), 0);
  }
  static int shell(const std::string& line) { return std::system(line.c_str()); }
  /// Waits until systemd in CT 101 has started what it starts, and says how that ended.
  std::string booted() { return real->inside("systemctl is-system-running --wait"); }
  std::unique_ptr<RealNode> real;
};

}  // namespace twinhull::tools
