#include "backends/linux/checkpoint/page_line.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

#include "backends/linux/errno_error.h"

namespace twinhull::linux_backend {
namespace {

constexpr std::size_t kMostMessage = std::size_t{16} << 20;
constexpr std::size_t kRead = std::size_t{1} << 20;

/// The address of a path however long it is: through a descriptor of its directory.
struct Place {
  UniqueFd directory;
  sockaddr_un address{};
};

Result<Place> place_of(const std::string& path, std::string_view operation) {
  const std::filesystem::path whole(path);
  Place place;
  place.directory.reset(
      ::open(whole.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!place.directory) return system_error(operation, path, errno, "cannot open its directory");
  const std::string name =
      fmt::format("/proc/self/fd/{}/{}", place.directory.get(), whole.filename().string());
  if (name.size() >= sizeof place.address.sun_path)
    return system_error(operation, path, ENAMETOOLONG, "its name");
  place.address.sun_family = AF_UNIX;
  std::memcpy(place.address.sun_path, name.c_str(), name.size() + 1);
  return place;
}

}  // namespace

PageLine::PageLine(UniqueFd socket) : socket_(std::move(socket)) {
  ::fcntl(socket_.get(), F_SETFL, ::fcntl(socket_.get(), F_GETFL) | O_NONBLOCK);
}

bool PageLine::read_some() {
  in_.erase(0, std::exchange(taken_, 0));
  const std::size_t before = in_.size();
  in_.resize(before + kRead);
  ssize_t count = 0;
  do {
    count = ::recv(socket_.get(), in_.data() + before, kRead, 0);
  } while (count < 0 && errno == EINTR);
  const bool later = count < 0 && errno == EAGAIN;
  in_.resize(before + static_cast<std::size_t>(count > 0 ? count : 0));
  if (count <= 0) return later;
  std::uint32_t length = 0;
  if (in_.size() >= sizeof length) std::memcpy(&length, in_.data(), sizeof length);
  return length <= kMostMessage;
}

std::optional<std::string> PageLine::next() {
  std::uint32_t length = 0;
  if (in_.size() - taken_ < sizeof length) return std::nullopt;
  std::memcpy(&length, in_.data() + taken_, sizeof length);
  if (length > kMostMessage || in_.size() - taken_ - sizeof length < length) return std::nullopt;
  std::string message = in_.substr(taken_ + sizeof length, length);
  taken_ += sizeof length + length;
  return message;
}

void PageLine::queue(std::string_view message) {
  const auto length = static_cast<std::uint32_t>(message.size());
  out_.append(reinterpret_cast<const char*>(&length), sizeof length);
  out_ += message;
}

bool PageLine::flush() {
  while (has_queued()) {
    const ssize_t count =
        ::send(socket_.get(), out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno == EAGAIN;
    sent_ += static_cast<std::size_t>(count);
  }
  out_.clear();
  sent_ = 0;
  return true;
}

Result<UniqueFd> listen_at(const std::string& path, std::string_view operation) {
  TH_ASSIGN(const Place place, place_of(path, operation));
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return system_error(operation, path, errno, "cannot make a socket");
  ::unlink(path.c_str());
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&place.address),
             sizeof place.address) != 0 ||
      ::chmod(path.c_str(), 0600) != 0 || ::listen(socket.get(), 8) != 0)
    return system_error(operation, path, errno, "cannot listen there");
  return socket;
}

Result<std::optional<UniqueFd>> connect_to(const std::string& path, std::string_view operation) {
  if (::access(path.c_str(), F_OK) != 0) return std::optional<UniqueFd>();
  TH_ASSIGN(const Place place, place_of(path, operation));
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return system_error(operation, path, errno, "cannot make a socket");
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&place.address),
                sizeof place.address) == 0)
    return std::optional(std::move(socket));
  if (errno == ENOENT) return std::optional<UniqueFd>();
  return system_error(ErrorCode::failed, operation, path, errno,
                      "the process that holds the container's memory is gone");
}

}  // namespace twinhull::linux_backend
