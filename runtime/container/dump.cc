#include "runtime/container/dump.h"

#include <fmt/format.h>

#include <utility>

#include "runtime/config/atomic_write.h"
#include "runtime/config/config_file.h"
#include "runtime/config/container_index.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"
#include "runtime/node/exit_codes.h"

namespace twinhull::container {
namespace {

constexpr const char* kFacts = "/container";
constexpr const char* kLive = "/live";
constexpr std::uint32_t kPrivate = 0700;

Error unusable(const std::string& dump, ErrorCode code, std::string_view why) {
  return fail(code, "container.resume", dump, why).with_exit_code(to_int(ExitCode::resume_failed));
}

}  // namespace

std::string dump_path(const NodeConfig& node, CtId id) {
  return node.dump_directory + "/Dump." + id.text();
}

std::string dump_images(const std::string& dump) {
  return dump + "/images";
}

Status write_dump_facts(Kernel& kernel, const std::string& dump, const DumpFacts& facts) {
  ConfigFile file;
  TH_TRY(file.set("VEID", facts.id.text()));
  TH_TRY(file.set("VENET", facts.has_network ? "yes" : "no"));
  if (!facts.boot.empty()) TH_TRY(file.set("BOOT", facts.boot));
  if (facts.lazy) TH_TRY(file.set("LAZY", "yes"));
  Files& files = kernel.files();
  if (!facts.live.empty()) {
    TH_TRY(files.write(dump + kLive, facts.live, 0600));
    TH_TRY(files.sync(dump + kLive));
  }
  TH_TRY(files.write(dump + kFacts, file.text(), 0600));
  TH_TRY(files.sync(dump + kFacts));
  return files.sync(dump);
}

Result<DumpFacts> read_dump_facts(Kernel& kernel, const std::string& dump) {
  Files& files = kernel.files();
  Result<std::string> text = files.read(dump + kFacts);
  if (!text) {
    if (text.error().code != ErrorCode::not_found) return text.error();
    TH_ASSIGN(const std::optional<FileInfo> there, files.stat(dump));
    if (there) return unusable(dump, ErrorCode::corrupt, "this is no whole dump of a container");
    return unusable(dump, ErrorCode::not_found, "there is no such dump");
  }
  const Result<ConfigFile> file = ConfigFile::parse(*text, dump + kFacts);
  if (!file) return unusable(dump, ErrorCode::corrupt, file.error().detail);
  const Result<CtId> id = parse_ctid(file->get("VEID").value_or(""));
  if (!id) return unusable(dump, ErrorCode::corrupt, "it does not say whose it is");
  DumpFacts facts;
  facts.id = *id;
  facts.has_network = file->get("VENET") == "yes";
  facts.lazy = file->get("LAZY") == "yes";
  facts.boot = file->get("BOOT").value_or("");
  if (!facts.boot.empty()) {
    TH_ASSIGN(const std::string boot, kernel.host().boot_id());
    if (boot != facts.boot)
      return unusable(dump, ErrorCode::corrupt,
                      "the node went down before it was on the disk: it cannot be trusted")
          .with_hint(fmt::format("the node that it came from may still hold its processes: vzctl "
                                 "resume there; vzctl start {} here begins them anew",
                                 facts.id.text()));
  }
  Result<std::string> live = files.read(dump + kLive);
  if (!live && live.error().code != ErrorCode::not_found) return live.error();
  if (live) facts.live = std::move(*live);
  return facts;
}

Status begin_dump(Kernel& kernel, const std::string& dump) {
  Files& files = kernel.files();
  const std::string fresh = unfinished_dump(dump);
  TH_TRY(files.remove_tree(fresh));
  TH_TRY(make_directories(files, parent_directory(dump)));
  TH_TRY(files.make_directory(fresh, kPrivate));
  TH_TRY(files.make_directory(dump_images(fresh), kPrivate));
  return {};
}

Status finish_dump(Kernel& kernel, const std::string& dump) {
  TH_TRY(kernel.files().rename(unfinished_dump(dump), dump));
  return kernel.files().sync(parent_directory(dump));
}

Result<Effect> spend_dump(Kernel& kernel, const std::string& dump) {
  Files& files = kernel.files();
  TH_ASSIGN(const std::optional<FileInfo> there, files.stat(dump));
  if (!there) return Effect::none;
  TH_TRY(files.remove_tree(spent_dump(dump)));  // of an earlier time: the name must be free
  TH_TRY(files.rename(dump, spent_dump(dump)));
  TH_TRY(files.sync(parent_directory(dump)));
  return Effect::changed;
}

Status remove_spent_dump(Kernel& kernel, const std::string& dump) {
  TH_ASSIGN(const Effect removed, kernel.files().remove_tree(spent_dump(dump)));
  return removed == Effect::changed ? kernel.files().sync(parent_directory(dump)) : Status();
}

Result<Effect> discard_dump(Kernel& kernel, const std::string& dump) {
  TH_ASSIGN(const Effect spent, spend_dump(kernel, dump));
  TH_TRY(remove_spent_dump(kernel, dump));
  return spent;
}

}  // namespace twinhull::container
