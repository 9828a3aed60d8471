// TCP loads. Addresses are numeric: a load has no resolver.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define XXH_INLINE_ALL  // no library to link: the program is static
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "load.h"

namespace twinhull::load {
namespace {

constexpr int kConnectTimeout = 10'000;  // ms

std::string refusal(const std::string& what) { return what + ": " + std::strerror(errno); }

struct Endpoint {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

bool fill(Endpoint& endpoint, const std::string& address, std::uint16_t port) {
  auto* v4 = reinterpret_cast<sockaddr_in*>(&endpoint.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&endpoint.storage);
  if (inet_pton(AF_INET, address.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    endpoint.length = sizeof *v4;
    return true;
  }
  if (inet_pton(AF_INET6, address.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    endpoint.length = sizeof *v6;
    return true;
  }
  return false;
}

/// Bytes that went by on one connection, as both ends count them.
class Tally {
 public:
  Tally() : state_(XXH3_createState(), &XXH3_freeState) { XXH3_64bits_reset(state_.get()); }
  void add(const char* data, std::size_t size) {
    XXH3_64bits_update(state_.get(), data, size);
    bytes_ += size;
  }
  [[nodiscard]] std::string text() const {
    std::array<char, 64> line{};
    std::snprintf(line.data(), line.size(), "%" PRIu64 " %016" PRIx64, bytes_,
                  static_cast<std::uint64_t>(XXH3_64bits_digest(state_.get())));
    return line.data();
  }

 private:
  std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state_;
  std::uint64_t bytes_ = 0;
};

/// Bytes from `at` on of a stream in which no two stretches are alike: what is lost, doubled or out
/// of place shows in the digest.
void fill_from(std::uint64_t at, char* out, std::size_t size) {
  constexpr std::uint64_t kStep = 0x9E3779B97F4A7C15, kMix = 0xBF58476D1CE4E5B9;
  for (std::size_t i = 0; i < size; ++i) {
    std::uint64_t word = ((at + i) / sizeof(std::uint64_t) + 1) * kStep;
    word = (word ^ (word >> 30U)) * kMix;
    word ^= word >> 31U;
    out[i] = static_cast<char>(word >> (8 * ((at + i) % sizeof(std::uint64_t))));
  }
}

/// The line that the server says at the end; empty = it said nothing whole.
std::string last_word(int stream) {
  std::string word;
  std::array<char, 64> buffer{};
  while (true) {
    pollfd waiting{stream, POLLIN, 0};
    if (poll(&waiting, 1, kConnectTimeout) <= 0) return {};
    const ssize_t count = read(stream, buffer.data(), buffer.size());
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count <= 0) return {};
    word.append(buffer.data(), static_cast<std::size_t>(count));
    if (word.ends_with('\n')) return word.substr(0, word.size() - 1);
  }
}

}  // namespace

Outcome run_serve(const ServeLoad& load) {
  const double started = steady_seconds();
  const int listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) return std::unexpected(refusal("socket"));
  const int on = 1, off = 0;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  sockaddr_in6 any{};
  any.sin6_family = AF_INET6;
  any.sin6_port = htons(load.port);
  if (bind(listener, reinterpret_cast<sockaddr*>(&any), sizeof any) != 0 ||
      listen(listener, 64) != 0) {
    const std::string text = refusal("port " + std::to_string(load.port));
    close(listener);
    return std::unexpected(text);
  }
  std::vector<pollfd> sockets{{listener, POLLIN, 0}};
  std::vector<Tally> tallies(1);  // beside `sockets`; that of the listener stays empty
  std::vector<char> buffer(256 << 10);
  std::uint64_t received = 0;
  while (!load.seconds || steady_seconds() - started < *load.seconds) {
    if (poll(sockets.data(), sockets.size(), 100) < 0 && errno != EINTR)
      return std::unexpected(refusal("poll"));
    if ((sockets[0].revents & POLLIN) != 0) {
      const int client = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      if (client >= 0) {
        sockets.push_back({client, POLLIN, 0});
        tallies.emplace_back();
      }
    }
    for (std::size_t i = sockets.size(); i-- > 1;) {
      if (sockets[i].revents == 0) continue;
      const ssize_t count = read(sockets[i].fd, buffer.data(), buffer.size());
      if (count > 0) {
        received += static_cast<std::uint64_t>(count);
        tallies[i].add(buffer.data(), static_cast<std::size_t>(count));
      } else if (count == 0 || errno != EINTR) {
        const std::string word = tallies[i].text() + "\n";
        // Who does not want to know is gone already.
        if (count == 0)
          static_cast<void>(send(sockets[i].fd, word.data(), word.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
        close(sockets[i].fd);
        sockets.erase(sockets.begin() + static_cast<std::ptrdiff_t>(i));
        tallies.erase(tallies.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
  }
  for (const pollfd& socket : sockets) close(socket.fd);
  return finish("serve", received, started);
}

Outcome run_send(const SendLoad& load) {
  const double started = steady_seconds();
  std::signal(SIGPIPE, SIG_IGN);
  const std::string peer = load.address + " port " + std::to_string(load.port);
  Endpoint endpoint;
  if (!fill(endpoint, load.address, load.port))
    return std::unexpected(load.address + ": not a numeric IPv4 or IPv6 address");
  const int stream = socket(endpoint.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (stream < 0) return std::unexpected(refusal("socket"));
  const auto give_up = [stream](std::string text) {
    close(stream);
    return Outcome(std::unexpected(std::move(text)));
  };
  if (connect(stream, reinterpret_cast<sockaddr*>(&endpoint.storage), endpoint.length) != 0) {
    if (errno != EINPROGRESS) return give_up(refusal(peer));
    pollfd waiting{stream, POLLOUT, 0};
    if (poll(&waiting, 1, kConnectTimeout) <= 0) return give_up(peer + ": no answer within 10 s");
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(stream, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return give_up(peer + ": " + std::strerror(error));
  }
  std::vector<char> block(64 << 10, 'v');
  std::uint64_t done = 0;
  Tally tally;
  while ((load.bytes == 0 || done < load.bytes) &&
         (!load.seconds || steady_seconds() - started < *load.seconds)) {
    pollfd waiting{stream, POLLOUT, 0};
    if (poll(&waiting, 1, kConnectTimeout) <= 0)
      return give_up(peer + ": stalled after " + std::to_string(done) + " bytes");
    const auto size =
        load.bytes == 0 ? block.size() : std::min<std::uint64_t>(block.size(), load.bytes - done);
    if (load.verify) fill_from(done, block.data(), size);
    const ssize_t count = write(stream, block.data(), size);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count < 0)
      return give_up(refusal(peer + ": lost after " + std::to_string(done) + " bytes"));
    done += static_cast<std::uint64_t>(count);
    if (load.verify) tally.add(block.data(), static_cast<std::size_t>(count));
    pace(done, load.rate, started);
  }
  if (load.verify) {
    shutdown(stream, SHUT_WR);
    const std::string word = last_word(stream);
    if (word.empty()) return give_up(peer + ": did not say what arrived");
    if (word != tally.text())
      return give_up(peer + ": sent " + tally.text() + ", but what arrived is " + word);
  }
  close(stream);
  return finish("send", done, started);
}

}  // namespace twinhull::load
