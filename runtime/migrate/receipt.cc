#include "runtime/migrate/receipt.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/config/atomic_write.h"
#include "runtime/kernel/clock.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"

namespace twinhull::migrate {
namespace {

std::string lost_note(const std::string& token) {
  return token + " lost";  // no token has a blank
}

}  // namespace

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

std::string return_path(const Layout& layout, const std::string& token) {
  return receipt_path(layout, token) + ".return";
}

std::string pages_note(const Layout& layout, CtId id) {
  return layout.data_directory() + "/migration/" + id.text() + ".pages";
}

Status note_awaited_pages(container::Context& context, CtId id, const std::string& token) {
  Files& files = context.kernel().files();
  const std::string path = pages_note(context.layout(), id);
  TH_TRY(make_directories(files, parent_directory(path)));
  return files.write(path, token, 0600);
}

Status note_lost_pages(container::Context& context, CtId id, const std::string& token) {
  return write_atomically(context.kernel().files(), pages_note(context.layout(), id),
                          lost_note(token), 0600);
}

Result<AwaitedPages> awaits_pages_of(container::Context& context, CtId id,
                                     const std::string& token) {
  const Result<std::string> noted = context.kernel().files().read(pages_note(context.layout(), id));
  if (!noted && noted.error().code == ErrorCode::not_found) return AwaitedPages::no;
  TH_TRY(noted);
  if (*noted == lost_note(token)) return AwaitedPages::lost;
  return *noted == token ? AwaitedPages::yes : AwaitedPages::no;
}

Status write_receipt(container::Context& context, const std::string& token) {
  Files& files = context.kernel().files();
  const std::string path = receipt_path(context.layout(), token);
  TH_TRY(make_directories(files, parent_directory(path)));
  Status written = write_atomically(files, path, token + "\n", 0600);
  if (written) return {};
  if (written.error().code == ErrorCode::node_down) return written;
  // It may stand there without being durable. Taking it back makes the outcome certain again.
  const Result<Effect> removed = files.remove(path);
  if (removed) {
    if (*removed == Effect::none) return written;
    if (const Status synced = files.sync(parent_directory(path)); synced) return written;
  }
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
  // Last the receipt: as long as it is there somebody asks for it, and comes here again.
  TH_ASSIGN(const Effect prepared, files.remove(return_path(context.layout(), token)));
  TH_ASSIGN(const Effect receipt, files.remove(path));
  if (receipt == Effect::none && prepared == Effect::none) return {};
  return files.sync(parent_directory(path));
}

}  // namespace twinhull::migrate
