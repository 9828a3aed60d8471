// A directory for one test.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <stdexcept>
#include <string>

namespace twinhull::linux_backend {

/// Makes /tmp/th-XXXXXX and removes it with all its content. Throws where it cannot: a test cannot
/// go on without.
class TestDirectory {
 public:
  TestDirectory() {
    std::string pattern = "/tmp/th-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make " + pattern);
    path_ = pattern;
  }
  ~TestDirectory() {
    std::error_code ignored;  // a test that failed may leave what cannot be removed
    std::filesystem::remove_all(path_, ignored);
  }
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace twinhull::linux_backend
