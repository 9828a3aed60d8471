#include "runtime/migrate/receipt.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/config/atomic_write.h"
#include "runtime/kernel/clock.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"

namespace twinhull::migrate {

Result<std::string> new_token(Kernel& kernel, CtId id) {
  TH_ASSIGN(std::string boot, kernel.host().boot_id());
  std::replace_if(
      boot.begin(), boot.end(), [](char c) { return !valid_token(std::string_view(&c, 1)); }, '-');
  const Duration since_boot = kernel.clock().now().time_since_epoch();
  return fmt::format("{}-{}-{}", id.text(), boot.substr(0, 100), since_boot.count());
}

bool valid_token(std::string_view token) {
  return !token.empty() && token.size() <= 160 &&
         std::all_of(token.begin(), token.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_';
         });
}

std::string receipt_path(const Layout& layout, const std::string& token) {
  return layout.data_directory() + "/migration/" + token;
}

Status write_receipt(container::Context& context, const std::string& token) {
  Files& files = context.kernel().files();
  const std::string path = receipt_path(context.layout(), token);
  TH_TRY(make_directories(files, parent_directory(path)));
  Status written = write_atomically(files, path, token + "\n", 0600);
  if (written) return {};
  if (written.error().code == ErrorCode::node_down) return written;
  // It may stand there without being durable. Taking it back makes the outcome certain again.
  Status removed = remove_receipt(context, token);
  if (removed) return written;
  return fail(ErrorCode::input_output, "migrate.receipt", path,
              "it is unknown whether the migration was completed")
      .caused_by(std::move(written).error());
}

Result<bool> has_receipt(container::Context& context, const std::string& token) {
  Files& files = context.kernel().files();
  const std::string path = receipt_path(context.layout(), token);
  TH_ASSIGN(const std::optional<FileInfo> there, files.stat(path));
  if (!there) return false;
  TH_TRY(files.sync(path));
  TH_TRY(files.sync(parent_directory(path)));
  return true;
}

Status remove_receipt(container::Context& context, const std::string& token) {
  Files& files = context.kernel().files();
  const std::string path = receipt_path(context.layout(), token);
  TH_ASSIGN(const Effect removed, files.remove(path));
  if (removed == Effect::none) return {};
  return files.sync(parent_directory(path));
}

}  // namespace twinhull::migrate
