#include "runtime/node/lock.h"

#include <optional>
#include <utility>

#include "runtime/config/atomic_write.h"
#include "runtime/config/whole_number.h"
#include "runtime/kernel/clock.h"
#include "runtime/kernel/files.h"
#include "runtime/node/exit_codes.h"

namespace twinhull {
namespace {

constexpr int kTries = 3;
constexpr Duration kRetryDelay = milliseconds(500);  // spec R11: 0.5 s on a read error
constexpr Bytes kMostBytes{4096};

std::string lock_text(ProcessRef owner, std::string_view status) {
  return std::to_string(owner.pid) + "\n" + std::string(status) + "\n" +
         std::to_string(owner.generation) + "\n";
}

std::string_view next_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  return line;
}

/// std::nullopt for text that is no lock of ours. Locks of two lines (no generation) are read
/// too: other tools write them.
std::optional<LockOwner> parse_lock(std::string_view text) {
  const std::optional<std::int32_t> pid = whole_number<std::int32_t>(next_line(text));
  if (!pid || *pid <= 0) return std::nullopt;
  LockOwner owner;
  owner.process.pid = *pid;
  owner.status = std::string(next_line(text));
  owner.process.generation = whole_number<std::uint64_t>(next_line(text)).value_or(0);
  return owner;
}

/// Whether the owner lives. A pid alone is not proof: it may have been given out again.
Result<bool> owner_lives(Kernel& kernel, const LockOwner& owner) {
  if (owner.process.generation != 0) return kernel.processes().alive(owner.process);
  TH_ASSIGN(const std::optional<ProcessRef> now, kernel.processes().lookup(owner.process.pid));
  return now.has_value();
}

Error locked_error(Kernel& kernel, CtId id, const LockOwner& owner) {
  const Result<std::string> command = kernel.processes().command_line(owner.process);
  Error error =
      fail(ErrorCode::in_progress, "lock.acquire", "CT " + id.text(),
           "Container already locked: pid=" + std::to_string(owner.process.pid) +
               " cmdline=" + (command ? *command : std::string("?")) + " status=" + owner.status);
  return std::move(error)
      .with_exit_code(to_int(ExitCode::locked))
      .with_hint("wait until that command has ended");
}

enum class Takeover : std::uint8_t { removed, changed };

/// Removes the dead owner's lock. Two commands may find it at the same time, and the slower one
/// must not remove the fresh lock of the faster: whoever takes over holds LOCK.takeover meanwhile
/// and looks again under it.
Result<Takeover> remove_stale(Kernel& kernel, const std::string& path, const std::string& temporary,
                              const std::string& stale_text) {
  Files& files = kernel.files();
  const std::string guard = path + ".takeover";
  if (const Status linked = files.hard_link(temporary, guard); !linked) {
    if (linked.error().code != ErrorCode::exists) return linked.error();
    // Somebody takes over right now, or died doing so.
    const Result<std::string> text = files.read(guard, kMostBytes);
    if (text) {
      const std::optional<LockOwner> owner = parse_lock(*text);
      TH_ASSIGN(const bool lives, owner ? owner_lives(kernel, *owner) : Result<bool>(false));
      if (!lives) TH_TRY(files.remove(guard));
    }
    return Takeover::changed;
  }
  Takeover outcome = Takeover::changed;
  const Result<std::string> text = files.read(path, kMostBytes);
  if (text && *text == stale_text) {
    TH_TRY(files.remove(path));
    outcome = Takeover::removed;
  }
  TH_TRY(files.remove(guard));
  return outcome;
}

Result<LockHeld> try_acquire(Kernel& kernel, const std::string& path, const std::string& temporary,
                             CtId id) {
  Files& files = kernel.files();
  LockHeld held{.path = path, .temporary = temporary, .took_over = false, .previous_status = {}};
  for (int attempt = 0;; ++attempt) {
    const Status linked = files.hard_link(temporary, path);
    if (linked) return held;
    if (linked.error().code != ErrorCode::exists) return linked.error();
    const Result<std::string> text = files.read(path, kMostBytes);
    if (!text) {
      if (text.error().code == ErrorCode::not_found) continue;  // released just now
      if (attempt + 1 >= kTries) return text.error();
      TH_TRY(kernel.clock().sleep(kRetryDelay));
      continue;
    }
    const std::optional<LockOwner> owner = parse_lock(*text);
    if (owner) {
      TH_ASSIGN(const bool lives, owner_lives(kernel, *owner));
      if (lives) return locked_error(kernel, id, *owner);
    }
    if (attempt >= kTries)
      return fail(ErrorCode::in_progress, "lock.acquire", "CT " + id.text(),
                  "the stale lock " + path + " cannot be taken over")
          .with_exit_code(to_int(ExitCode::locked))
          .with_hint("try again");
    TH_ASSIGN(const Takeover outcome, remove_stale(kernel, path, temporary, *text));
    if (outcome == Takeover::removed) {
      held.took_over = true;
      held.previous_status = owner ? owner->status : std::string();
    }
  }
}

/// Removes what commands that died while they took this lock left beside it. Called by its holder.
Status sweep_leftovers(Kernel& kernel, const std::string& directory, const std::string& path,
                       const std::string& own) {
  Files& files = kernel.files();
  TH_ASSIGN(const std::vector<DirectoryEntry> entries, files.list(directory));
  for (const DirectoryEntry& entry : entries) {
    const std::string leftover = directory + "/" + entry.name;
    if (!leftover.starts_with(path + ".") || leftover == own) continue;
    const Result<std::string> text = files.read(leftover, kMostBytes);
    if (!text) {
      if (text.error().code == ErrorCode::not_found) continue;  // its owner is faster
      return text.error();
    }
    // An owner that has not written its number yet is found by the name.
    const std::optional<LockOwner> owner = parse_lock(*text);
    const std::optional<std::int32_t> named =
        whole_number<std::int32_t>(std::string_view(leftover).substr(path.size() + 1));
    bool lives = false;
    if (owner) {
      TH_ASSIGN(lives, owner_lives(kernel, *owner));
    } else if (named && *named > 0) {
      TH_ASSIGN(const std::optional<ProcessRef> process, kernel.processes().lookup(*named));
      lives = process.has_value();
    }
    if (!lives) TH_TRY(files.remove(leftover));
  }
  return {};
}

}  // namespace

Result<LockHeld> acquire_lock(Kernel& kernel, const std::string& directory, CtId id,
                              std::string_view status) {
  Files& files = kernel.files();
  TH_ASSIGN(const ProcessRef self, kernel.processes().self());
  const std::string path = directory + "/" + id.text() + ".lck";
  const std::string temporary = path + "." + std::to_string(self.pid);
  Status written = files.write(temporary, lock_text(self, status));
  if (!written && written.error().code == ErrorCode::not_found) {
    TH_TRY(make_directories(files, directory));
    written = files.write(temporary, lock_text(self, status));
  }
  if (!written) {
    if (written.error().code == ErrorCode::read_only)
      written.error().hint = "LOCKDIR of vz.conf must be writable";
    // A full disk leaves the name without its text; that it cannot be removed is the lesser news.
    if (const Result<Effect> removed = files.remove(temporary); !removed)
      written.error().detail += "; also failed: " + removed.error().message();
    return std::move(written).error();
  }
  Result<LockHeld> held = try_acquire(kernel, path, temporary, id);
  if (!held && held.error().code == ErrorCode::node_down) return held;
  // The second name has served its purpose, whatever happened.
  const Result<Effect> removed = files.remove(temporary);
  if (!held) return held;
  Status clean =
      removed ? sweep_leftovers(kernel, directory, path, temporary) : Status(removed.error());
  if (clean || clean.error().code == ErrorCode::node_down) {
    if (!clean) return std::move(clean).error();
    return held;
  }
  if (const Result<Effect> undone = files.remove(path); !undone)
    clean.error().detail += "; also failed: unlock: " + undone.error().message();
  return std::move(clean).error();
}

Status release_lock(Kernel& kernel, const LockHeld& lock) {
  TH_TRY(kernel.files().remove(lock.path));
  return {};
}

Result<std::optional<LockOwner>> lock_owner(Kernel& kernel, const std::string& directory, CtId id) {
  const Result<std::string> text =
      kernel.files().read(directory + "/" + id.text() + ".lck", kMostBytes);
  if (!text) {
    if (text.error().code == ErrorCode::not_found) return std::optional<LockOwner>();
    return text.error();
  }
  std::optional<LockOwner> owner = parse_lock(*text);
  if (!owner) return std::optional<LockOwner>();
  TH_ASSIGN(const bool lives, owner_lives(kernel, *owner));
  if (!lives) owner.reset();
  return owner;
}

}  // namespace twinhull
