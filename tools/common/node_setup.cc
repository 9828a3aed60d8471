#include "tools/common/node_setup.h"

#include <array>
#include <set>
#include <string>
#include <utility>

#include "runtime/config/atomic_write.h"
#include "runtime/config/config_file.h"
#include "runtime/kernel/files.h"

namespace twinhull::tools {
namespace {

/// vz.conf of a node that lives in a directory: the same paths, below that directory.
Result<std::string> below_root(std::string_view text, const std::string& root) {
  TH_ASSIGN(ConfigFile config, ConfigFile::parse(text, "vz.conf"));
  static constexpr std::array keys = {"VE_ROOT", "VE_PRIVATE", "TEMPLATE",     "LOCKDIR",
                                      "DUMPDIR", "LOGFILE",    "ACTIONLOGDIR"};
  static constexpr std::array defaults = {"/vz/root/$VEID",      "/vz/private/$VEID", "/vz/template",
                                          "/vz/lock",            "/vz/dump",
                                          "/var/log/vzctl.log", "/vz/actionlog"};
  for (std::size_t i = 0; i < keys.size(); ++i)
    TH_TRY(config.set(keys[i], root + config.get(keys[i]).value_or(defaults[i])));
  return config.text();
}

std::string target_of(const Layout& layout, std::string_view path) {
  if (path == "vz.conf") return layout.global_config();
  return layout.config_directory() + "/" + std::string(path);
}

}  // namespace

Result<bool> is_set_up(Kernel& kernel, const Layout& layout) {
  TH_ASSIGN(const auto info, kernel.files().stat(layout.global_config()));
  return info.has_value();
}

Status set_up_node(Kernel& kernel, const Layout& layout) {
  Files& files = kernel.files();
  for (const char* directory : {"/etc/vz/conf", "/etc/vz/names", "/vz/private", "/vz/root",
                                "/vz/template/cache", "/vz/lock", "/vz/dump", "/vz/tmp",
                                "/var/log"})
    TH_TRY(make_directories(files, layout.root + directory));

  // vz.conf last: it marks the node as set up.
  const ShareFile* global = nullptr;
  std::set<std::string> filled;  // directories whose new names are not durable yet
  for (const ShareFile& file : share_files()) {
    if (file.path == "vz.conf") {
      global = &file;
      continue;
    }
    const std::string target = target_of(layout, file.path);
    TH_ASSIGN(const auto there, files.stat(target));
    if (there) continue;
    TH_TRY(make_directories(files, parent_directory(target)));
    TH_TRY(files.write(target, file.content, file.executable ? 0755 : 0644));
    TH_TRY(files.sync(target));
    filled.insert(parent_directory(target));
  }
  for (const std::string& directory : filled) TH_TRY(files.sync(directory));
  if (global == nullptr)
    return fail(ErrorCode::not_found, "node.set_up", "vz.conf", "the program was built without it");
  TH_ASSIGN(const bool done, is_set_up(kernel, layout));
  if (done) return {};
  std::string text(global->content);
  if (!layout.root.empty()) {
    TH_ASSIGN(text, below_root(text, layout.root));
  }
  TH_TRY(files.write(layout.global_config(), text));
  TH_TRY(files.sync(layout.global_config()));
  return files.sync(layout.root + "/etc/vz");
}

}  // namespace twinhull::tools
