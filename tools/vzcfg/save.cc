#include "tools/vzcfg/save.h"

#include <string_view>

#include "runtime/config/atomic_write.h"
#include "runtime/config/container_index.h"
#include "runtime/container/context.h"
#include "runtime/container/locked.h"
#include "runtime/kernel/files.h"
#include "runtime/migrate/recovery.h"
#include "runtime/node/log.h"

namespace twinhull::tools {
namespace {

/// The container whose configuration lies at this path.
std::optional<CtId> owner_of(const Session& session, std::string_view path) {
  const std::string directory = session.layout.config_directory() + "/";
  constexpr std::string_view kSuffix = ".conf";
  if (!path.starts_with(directory) || !path.ends_with(kSuffix)) return std::nullopt;
  path.remove_prefix(directory.size());
  if (path.size() <= kSuffix.size()) return std::nullopt;
  path.remove_suffix(kSuffix.size());
  const Result<CtId> id = parse_ctid(path);
  if (!id) return std::nullopt;
  return *id;
}

}  // namespace

Status save_configuration(Session& session, const char* program, const std::string& path,
                          const ConfigFile& file, const std::optional<std::string>& before) {
  const auto write = [&]() -> Status {
    if (before) {
      TH_ASSIGN(const std::string text, session.kernel.files().read(path));
      // As ConfigFile gives it back: a last line without an end gets one.
      TH_ASSIGN(const ConfigFile now, ConfigFile::parse(text, path));
      if (now.text() != *before)
        return fail(ErrorCode::busy, program, path, "was changed meanwhile: nothing was written")
            .with_hint("try again");
    }
    return write_atomically(session.kernel.files(), path, file.text());
  };
  const std::optional<CtId> id = owner_of(session, path);
  if (!id) return write();
  TH_ASSIGN(const NodeConfig node, load_node_config(session.kernel, session.layout));
  Reporter reporter(session, node, program, Verbosity::normal);
  container::Context context{session, node, reporter, {migrate::recovery_handler()}};
  return container::with_lock(context, *id, "setting", write);
}

}  // namespace twinhull::tools
