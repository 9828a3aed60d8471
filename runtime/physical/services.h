// Services of a physical machine's own system.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/kernel/kernel.h"
#include "runtime/kernel/result.h"

namespace twinhull::physical {

/// Names separated by commas or blanks. Errors: invalid_argument (exit 1) for what is no name of a
/// service: [A-Za-z0-9@._-], not first '-' or '.'.
Result<std::vector<std::string>> parse_services(std::string_view text);

/// The services that were stopped on this machine, so that they can be started again.
class StoppedServices {
 public:
  explicit StoppedServices(Kernel& kernel) : kernel_(kernel) {}

  /// Stops it by systemctl where systemd runs, else by its script in /etc/init.d. One that does not
  /// run is left alone. Errors: not_found (exit 8: no such service), failed (exit 8: with its
  /// words).
  Status stop(const std::string& service);
  /// In the order in which they were stopped.
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  /// Starts them, last stopped first. All are tried. Errors: failed, the first.
  Status start_again();
  /// They stay stopped.
  void forget() { names_.clear(); }

 private:
  Kernel& kernel_;
  std::vector<std::string> names_;
};

}  // namespace twinhull::physical
