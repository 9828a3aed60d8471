// The serving end in the tests of channels: th_linux_channel_peer SERVICE.
#include <unistd.h>

#include <cstdio>
#include <string>

#include "backends/linux/linux_kernel.h"

using namespace twinhull;

namespace {

Status echo(Channel& channel) {
  for (;;) {
    TH_ASSIGN(const auto message, channel.receive(seconds(30)));
    if (!message) return {};
    TH_TRY(channel.send(*message));
  }
}

Status sink(Channel& channel) {
  TH_ASSIGN(const auto directory, channel.receive(seconds(30)));
  if (!directory) return {};
  const auto taken = channel.receive_tree(*directory);
  TH_TRY(
      channel.send(taken ? taken->digest : "error " + std::string(to_string(taken.error().code))));
  return echo(channel);
}

Status source(Channel& channel) {
  TH_ASSIGN(const auto directory, channel.receive(seconds(30)));
  if (!directory) return {};
  TH_ASSIGN(const auto sent, channel.send_tree(*directory, {}));
  TH_TRY(channel.send(sent.digest));
  return echo(channel);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string service = argc > 1 ? argv[1] : "";
  if (service == "mute") return ::sleep(60) == 0 ? 0 : 1;
  if (service == "babble") return std::puts("Welcome to this machine!") >= 0 ? 0 : 1;
  if (service == "complain") {
    std::fputs("first line\nthe disk of this peer is gone\n", stderr);
    return 3;
  }
  auto channel = linux_backend::serve_standard_streams({"echo", "sink", "source", "vanish"});
  if (!channel) {
    std::fprintf(stderr, "%s\n", channel.error().message().c_str());
    return 1;
  }
  std::puts("a stray print");  // must not get into the frames
  std::fflush(stdout);
  Status served;
  if (service == "echo") served = echo(**channel);
  if (service == "sink") served = sink(**channel);
  if (service == "source") served = source(**channel);
  if (service == "vanish") {
    std::fputs("out of cheese\n", stderr);
    return 4;
  }
  (*channel)->close();
  if (served) return 0;
  std::fprintf(stderr, "%s\n", served.error().message().c_str());
  return 1;
}
