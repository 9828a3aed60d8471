// Copying OS templates to another node (spec F3.16).
#pragma once

#include <string>

#include "runtime/container/context.h"
#include "runtime/kernel/channels.h"

namespace twinhull::migrate {

/// Exit code of vzmtemplate for what this product has no more: application templates.
inline constexpr int kObsolete = 14;

enum class TemplateOutcome : std::uint8_t { copied, was_there };

/// A connection to the peer for several templates.
class TemplateSource {
 public:
  /// Errors: exit 4 (cannot be reached), 1 (this very node).
  static Result<TemplateSource> connect(container::Context& context, const PeerAddress& peer);

  /// Copies one template; it stays here. One that is there already with the same content is not
  /// sent again. Errors: exit 1 (no name), 3, 6, 9 (another one of that name is there), 10 (not
  /// here), 14 (an application template). After exit 6 the connection may be of no more use.
  Result<TemplateOutcome> copy(const std::string& name);
  void close() { channel_->close(); }

 private:
  TemplateSource(container::Context& context, PeerAddress peer, std::unique_ptr<Channel> channel)
      : context_(&context), peer_(std::move(peer)), channel_(std::move(channel)) {}
  Status send(const std::string& name, const std::string& tree);

  container::Context* context_;
  PeerAddress peer_;
  std::unique_ptr<Channel> channel_;
};

}  // namespace twinhull::migrate
