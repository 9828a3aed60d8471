#include "backends/linux/channel/command_line.h"

#include <cctype>

namespace twinhull::linux_backend {
namespace {

bool is_plain(const std::string& word) {
  if (word.empty() || word.front() == '-') return false;
  for (const char letter : word) {
    const bool alphanumeric = std::isalnum(static_cast<unsigned char>(letter)) != 0;
    if (!alphanumeric && std::string_view("._:%-").find(letter) == std::string_view::npos)
      return false;
  }
  return true;
}

std::string replace(std::string text, const std::string& name, const std::string& value) {
  for (auto at = text.find(name); at != std::string::npos; at = text.find(name, at + value.size()))
    text.replace(at, name.size(), value);
  return text;
}

/// One word for the shell that ssh starts on the peer.
std::string quoted(const std::string& word) {
  return "'" + replace(word, "'", "'\\''") + "'";
}

}  // namespace

Status check_peer(const PeerAddress& peer, const std::string& service) {
  const auto refuse = [&peer](const std::string& what) {
    return fail(ErrorCode::invalid_argument, "channels.connect", peer.text(),
                "not the name of a " + what);
  };
  if (!is_plain(peer.host)) return refuse("host");
  if (!peer.user.empty() && !is_plain(peer.user)) return refuse("user");
  if (!is_plain(service)) return refuse("service: " + service);
  return {};
}

std::vector<std::string> carrier_command(const NodeOptions& options, const PeerAddress& peer,
                                         const std::string& service) {
  std::vector<std::string> argv;
  if (const auto known = options.peers.find(peer.host); known != options.peers.end()) {
    for (const std::string& word : known->second)
      argv.push_back(replace(replace(word, "{service}", service), "{user}", peer.user));
    return argv;
  }
  argv = options.ssh;
  argv.insert(argv.end(), peer.ssh_options.begin(), peer.ssh_options.end());
  argv.push_back(peer.text());
  std::string remote;
  for (const std::string& word : options.remote_command)
    remote += (remote.empty() ? "" : " ") + quoted(replace(word, "{service}", service));
  argv.push_back(remote);
  return argv;
}

}  // namespace twinhull::linux_backend
