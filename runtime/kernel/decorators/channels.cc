#include "runtime/kernel/channels.h"

#include "runtime/kernel/decorators/ports.h"

namespace twinhull::decorators {
namespace {

class ObservedChannel final : public Channel {
 public:
  ObservedChannel(std::unique_ptr<Channel> inner, std::string peer, Hook& hook)
      : inner_(std::move(inner)), peer_(std::move(peer)), hook_(hook) {}

  Status send(std::string_view message) override {
    return hook_.call("channels.send", peer_, [&] { return inner_->send(message); }, message);
  }
  Result<std::optional<std::string>> receive(Duration timeout) override {
    return hook_.call("channels.receive", peer_, [&] { return inner_->receive(timeout); }, timeout);
  }
  Result<TransferResult> send_tree(const std::string& path,
                                   const TransferOptions& options) override {
    return hook_.call(
        "channels.send_tree", peer_, [&] { return inner_->send_tree(path, options); }, path,
        options);
  }
  Result<TransferResult> receive_tree(const std::string& path) override {
    return hook_.call(
        "channels.receive_tree", peer_, [&] { return inner_->receive_tree(path); }, path);
  }
  void close() override {
    // The caller cannot be told of a refusal; the observer knows, and the channel stays open.
    (void)hook_.call("channels.close", peer_, [&]() -> Status {
      inner_->close();
      return {};
    });
  }

 private:
  std::unique_ptr<Channel> inner_;
  const std::string peer_;
  Hook& hook_;
};

class ObservedChannels final : public Channels {
 public:
  ObservedChannels(Channels& inner, Hook& hook) : inner_(inner), hook_(hook) {}

  Result<std::unique_ptr<Channel>> connect(const PeerAddress& peer, const std::string& service,
                                           Duration timeout) override {
    std::string name = peer.text();
    auto channel = hook_.call(
        "channels.connect", name, [&] { return inner_.connect(peer, service, timeout); }, service,
        timeout);
    if (!channel) return std::move(channel).error();
    return wrap_channel(std::move(*channel), std::move(name), hook_);
  }

 private:
  Channels& inner_;
  Hook& hook_;
};

}  // namespace

std::unique_ptr<Channels> wrap_channels(Channels& inner, Hook& hook) {
  return std::make_unique<ObservedChannels>(inner, hook);
}
std::unique_ptr<Channel> wrap_channel(std::unique_ptr<Channel> inner, std::string peer,
                                      Hook& hook) {
  return std::make_unique<ObservedChannel>(std::move(inner), std::move(peer), hook);
}

}  // namespace twinhull::decorators
