// A test node that reaches the machine "web", whose root is in the environment variable
// TH_TEST_MACHINE when the connection is made: it is not known earlier.
#pragma once

#include "backends/linux/testing/node_fixture.h"

namespace twinhull::tools {

inline linux_backend::testing::TestNodeOptions with_machine() {
  linux_backend::testing::TestNodeOptions options;
  options.peers["web"] = {"/bin/sh", "-c", "exec " TWINHULL_MACHINE_PEER " \"$TH_TEST_MACHINE\""};
  return options;
}

}  // namespace twinhull::tools
