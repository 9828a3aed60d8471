// A real node's files, mounts and quotas without the rest of a kernel, and the words of their
// tests.
#pragma once

#include <boost/test/unit_test.hpp>
#include <memory>
#include <string>
#include <utility>

#include "backends/linux/file/files.h"
#include "backends/linux/mount/mounts.h"
#include "backends/linux/quota/quotas.h"
#include "backends/linux/testing/node_fixture.h"

namespace twinhull::linux_backend::testing {

/// Ends the case unless the call succeeds.
#define REQUIRE_OK(expr)                                                        \
  do {                                                                          \
    const auto outcome = (expr);                                                \
    BOOST_REQUIRE_MESSAGE(outcome, (outcome ? "" : outcome.error().message())); \
  } while (false)
/// The call must fail with this ErrorCode.
#define CHECK_CODE(expr, wanted)                                                \
  do {                                                                          \
    const auto outcome = (expr);                                                \
    BOOST_REQUIRE(!outcome.has_value());                                        \
    BOOST_TEST(to_string(outcome.error().code) == to_string(ErrorCode::wanted), \
               outcome.error().message());                                      \
  } while (false)

/// The three storage ports of one test node.
class StorageNode {
 public:
  /// Makes the node. Errors: those of TestNode::make; then nothing may be used.
  Status open(const std::string& name, TestNodeOptions options = {}) {
    options.with_kernel = false;
    TH_ASSIGN(node, TestNode::make(name, options));
    files_ = make_files(node->node_options());
    mounts_ = make_mounts(node->node_options());
    quotas_ = make_quotas(node->node_options(), *files_);
    tree = *node / "/vz/private/101";
    return {};
  }
  [[nodiscard]] Files& files() const { return *files_; }
  [[nodiscard]] Mounts& mounts() const { return *mounts_; }
  [[nodiscard]] Quotas& quotas() const { return *quotas_; }

  std::unique_ptr<TestNode> node;
  std::string tree;  ///< where a container's quota tree would be; nothing is there yet

 private:
  std::unique_ptr<Files> files_;
  std::unique_ptr<Mounts> mounts_;
  std::unique_ptr<Quotas> quotas_;
};

}  // namespace twinhull::linux_backend::testing
