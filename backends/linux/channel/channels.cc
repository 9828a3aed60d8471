#include "backends/linux/channel/channels.h"

namespace twinhull::linux_backend {
namespace {

class NoChannels final : public Channels {
 public:
  Result<std::unique_ptr<Channel>> connect(const PeerAddress& peer, const std::string&,
                                           Duration) override {
    return fail(ErrorCode::not_supported, "channels.connect", peer.text(), "not built yet");
  }
};

}  // namespace

std::unique_ptr<Channels> make_channels(const NodeOptions&) {
  return std::make_unique<NoChannels>();
}

Result<std::unique_ptr<Channel>> serve_standard_streams() {
  return fail(ErrorCode::not_supported, "channels.serve", "standard streams", "not built yet");
}

}  // namespace twinhull::linux_backend
