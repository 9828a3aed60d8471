// Commands on a node of the real kernel, for tests. Root only.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "backends/linux/testing/node_fixture.h"
#include "runtime/node/session.h"

namespace twinhull::tools {

/// A fixture: one real node with vz.conf and the template busybox. Leaks fail the test that ends.
class RealNode {
 public:
  /// How a command ended.
  struct Outcome {
    int code = -1;
    std::string out;
    std::string err;
    [[nodiscard]] std::string text() const {
      return "exit " + std::to_string(code) + "\n" + out + "stderr: " + err;
    }
  };

  explicit RealNode(const linux_backend::testing::TestNodeOptions& options = {});
  ~RealNode();
  RealNode(const RealNode&) = delete;
  RealNode& operator=(const RealNode&) = delete;

  /// Runs vzctl with these words (quotes as in a shell) and says how long it took.
  Outcome vzctl(std::string_view words, std::string input = {});
  /// `vzctl enter 101` on the streams of this process; the exit code.
  int enter();
  /// As vzctl(); the test fails unless it ends with 0.
  void done(std::string_view words);
  /// What a shell command in CT 101 prints, without the last newline; the whole outcome when it
  /// fails.
  std::string inside(const std::string& command);
  /// What the node holds beside files of containers, as text; empty = nothing is left over.
  std::string leaks();

  [[nodiscard]] linux_backend::testing::TestNode& node() { return *node_; }

 private:
  std::unique_ptr<linux_backend::testing::TestNode> node_;
  Layout layout_;
};

}  // namespace twinhull::tools
