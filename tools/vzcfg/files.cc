#include "tools/vzcfg/files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>

#include "runtime/config/beancounters.h"
#include "runtime/config/parameter.h"
#include "runtime/kernel/files.h"

namespace twinhull::tools {
namespace {

/// Keys of CTID.conf that are neither a parameter nor a beancounter.
constexpr std::array<std::string_view, 6> kOtherKeys = {"VERSION",    "PLATFORM", "VE_ROOT",
                                                        "VE_PRIVATE", "RATE",     "SLMMODE"};

bool known(const std::string& key) {
  const auto is_counter = [&](const Beancounter& counter) {
    return counter.key == key || counter.legacy_keys[0] == key || counter.legacy_keys[1] == key;
  };
  const auto is_parameter = [&](const Parameter& parameter) { return parameter.key == key; };
  return std::any_of(beancounters().begin(), beancounters().end(), is_counter) ||
         std::any_of(parameters().begin(), parameters().end(), is_parameter) ||
         std::find(kOtherKeys.begin(), kOtherKeys.end(), key) != kOtherKeys.end();
}

}  // namespace

Result<std::string> named_path(const Session& session, const std::string& name) {
  if (name.empty())
    return fail(ErrorCode::invalid_argument, "file.name", "\"\"", "no file is named");
  std::filesystem::path path(name);
  if (path.is_relative()) {
    if (!session.own_streams)
      return fail(ErrorCode::invalid_argument, "file.name", name,
                  "a file of a simulated node needs its full path")
          .with_hint("for example /etc/vz/conf/101.conf");
    std::error_code problem;
    path = std::filesystem::current_path(problem) / path;
    if (problem)
      return fail(ErrorCode::not_found, "file.name", name, "the current directory is gone");
  }
  return path.lexically_normal().string();
}

Result<std::string> configuration_path(Session& session, const std::string& name) {
  if (name.empty() || name.find('/') != std::string::npos) return named_path(session, name);
  if (session.own_streams) {
    TH_ASSIGN(const std::string here, named_path(session, name));
    TH_ASSIGN(const std::optional<FileInfo> there, session.kernel.files().stat(here));
    if (there) return here;
  }
  return session.layout.config_directory() + "/" + name;
}

Result<ConfigFile> read_configuration(Session& session, const std::string& path) {
  const auto text = session.kernel.files().read(path);
  if (!text) {
    if (text.error().code != ErrorCode::not_found) return text.error();
    return fail(ErrorCode::not_found, "file.read", path, "no such file");
  }
  TH_ASSIGN(ConfigFile file, ConfigFile::parse(*text, path));
  const std::vector<std::string> keys = file.keys();
  if (std::none_of(keys.begin(), keys.end(), known))
    return fail(ErrorCode::corrupt, "file.read", path,
                "is no configuration of a container: it has none of the known keys");
  return file;
}

Result<bool> same_file(Session& session, const std::string& a, const std::string& b) {
  if (a == b) return true;
  TH_ASSIGN(const std::optional<FileInfo> first, session.kernel.files().stat(a));
  TH_ASSIGN(const std::optional<FileInfo> second, session.kernel.files().stat(b));
  if (!first || !second) return false;
  // Hard links; the numbers of two file systems may coincide, so more than the number must agree.
  if (first->inode == second->inode && first->links > 1 && first->links == second->links &&
      first->size == second->size && first->modified == second->modified)
    return true;
  const auto leads_to = [&](const FileInfo& info, const std::string& link,
                            const std::string& target) -> Result<bool> {
    if (info.kind != FileKind::symlink) return false;
    TH_ASSIGN(const std::string to, session.kernel.files().read_symlink(link));
    const std::filesystem::path base = std::filesystem::path(link).parent_path();
    return (base / to).lexically_normal().string() == target;
  };
  TH_ASSIGN(const bool forth, leads_to(*first, a, b));
  if (forth) return true;
  return leads_to(*second, b, a);
}

}  // namespace twinhull::tools
