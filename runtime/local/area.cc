#include "runtime/local/area.h"

#include <fmt/format.h>

#include "runtime/config/atomic_write.h"
#include "runtime/kernel/clock.h"
#include "runtime/kernel/quotas.h"

namespace twinhull::local {
namespace {

// The overlay's own directory: empty in a copy, the kernel fills it at the next mount.
constexpr const char* kWork = "work";
constexpr int kTries = 3;

}  // namespace

Status AreaCopy::prepare() {
  Kernel& kernel = context_.kernel();
  TH_TRY(kernel.quotas().remove_tree(staging_));
  TH_TRY(make_directories(kernel.files(), parent_directory(staging_)));
  TH_TRY(kernel.quotas().create_tree(staging_));
  return {};
}

Status AreaCopy::copy_whole() {
  Files& files = context_.kernel().files();
  TH_TRY(prepare());
  TH_ASSIGN(const auto entries, files.list(from_));
  for (const DirectoryEntry& entry : entries) {
    if (entry.name == kWork) {
      TH_TRY(files.make_directory(staging_ + "/" + kWork, 0700));
      continue;
    }
    TH_TRY(files.copy_tree(from_ + "/" + entry.name, staging_ + "/" + entry.name));
  }
  return files.sync(staging_);
}

Status AreaCopy::first_pass() {
  context_.reporter.say(fmt::format("Copying {} to {} while it runs", from_, staging_));
  First first;
  for (int attempt = 1;; ++attempt) {
    first.begun = context_.kernel().clock().wall();
    TH_ASSIGN(first.directories, directories_of(context_.kernel().files(), from_ + "/fs"));
    Status copied = copy_whole();
    if (copied) break;
    if (copied.error().code != ErrorCode::not_found) return copied;
    if (attempt < kTries) continue;
    context_.reporter.warn(
        "files vanish while they are copied; it is copied when it stands still: " +
        copied.error().message());
    return {};
  }
  first_ = std::move(first);
  return {};
}

Status AreaCopy::bring_up_to_date() {
  Files& files = context_.kernel().files();
  TH_ASSIGN(const UpdateResult update, update_tree(files, from_ + "/fs", staging_ + "/fs",
                                                   first_->directories, first_->begun));
  if (!update.done) {
    context_.reporter.detail("a hard link has changed: everything is copied anew");
    return copy_whole();
  }
  context_.reporter.say(
      fmt::format("Brought {} entries over again, removed {}", update.replaced, update.removed));
  return {};
}

Status AreaCopy::complete() {
  if (first_) {
    TH_TRY(bring_up_to_date());
  } else {
    context_.reporter.say(fmt::format("Copying {} to {}", from_, staging_));
    TH_TRY(copy_whole());
  }
  return copy_limit();
}

Status AreaCopy::copy_limit() {
  Quotas& quotas = context_.kernel().quotas();
  const auto usage = quotas.usage(from_);
  if (!usage) {
    return usage.error().code == ErrorCode::not_supported ? Status() : usage.error();
  }
  const auto limit = quotas.set_limit(staging_, usage->limit);
  if (limit || limit.error().code != ErrorCode::not_supported)
    return limit ? Status() : limit.error();
  context_.reporter.warn("the disk limit does not act there: " + limit.error().message());
  return {};
}

}  // namespace twinhull::local
