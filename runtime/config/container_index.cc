#include "runtime/config/container_index.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/config/atomic_write.h"
#include "runtime/config/quantity.h"
#include "runtime/kernel/files.h"

namespace twinhull {

std::string unfinished_name(const Layout& layout, CtId id) {
  return fmt::format("{}/.new.{}", layout.names_directory(), id.text());
}
namespace {

constexpr std::string_view kSuffix = ".conf";

bool all_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// The number in "101.conf"; std::nullopt for any other file, also for "0101.conf" and "0.conf".
std::optional<CtId> config_number(std::string_view file) {
  if (!file.ends_with(kSuffix)) return std::nullopt;
  file.remove_suffix(kSuffix.size());
  if (!all_digits(file) || file[0] == '0' || file.size() > 10) return std::nullopt;
  const auto number = parse_number(file, CtId::kFirstUsable, CtId::kLastUsable);
  if (!number) return std::nullopt;
  return CtId{static_cast<std::uint32_t>(*number)};
}

bool valid_utf8(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    const auto first = static_cast<unsigned char>(text[i]);
    std::size_t more = 0;
    if (first < 0x80)
      more = 0;
    else if (first >= 0xC2 && first < 0xE0)
      more = 1;
    else if (first >= 0xE0 && first < 0xF0)
      more = 2;
    else if (first >= 0xF0 && first < 0xF5)
      more = 3;
    else
      return false;
    if (i + more >= text.size()) return false;
    for (std::size_t k = 1; k <= more; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xC0) != 0x80) return false;
    }
    i += more + 1;
  }
  return true;
}

/// Which container a link in the names directory belongs to, from its target alone.
Result<std::optional<CtId>> link_owner(Files& files, const std::string& path) {
  TH_ASSIGN(const std::string target, files.read_symlink(path));
  const std::size_t slash = target.find_last_of('/');
  return config_number(slash == std::string::npos ? target : target.substr(slash + 1));
}

}  // namespace

Result<std::vector<CtId>> list_containers(Kernel& kernel, const Layout& layout) {
  std::vector<CtId> result;
  auto entries = kernel.files().list(layout.config_directory());
  if (!entries) {
    if (entries.error().code == ErrorCode::not_found) return result;
    return entries.error();
  }
  for (const DirectoryEntry& entry : *entries) {
    if (const auto id = config_number(entry.name)) result.push_back(*id);
  }
  std::sort(result.begin(), result.end());
  return result;
}

Result<CtId> parse_ctid(std::string_view text) {
  const auto refuse = [&](std::string why) -> Error {
    return fail(ErrorCode::invalid_argument, "container.number", fmt::format("\"{}\"", text), why)
        .with_exit_code(20)
        .with_hint(
            fmt::format("use a number from {} to {}", CtId::kFirstUsable, CtId::kLastUsable));
  };
  if (!all_digits(text)) return refuse("not a container number");
  const auto number = parse_number(text, 0, CtId::kLastUsable);
  if (!number) return refuse("this container number is too large");
  if (*number == 0) return refuse("0 is the node itself");
  if (*number < CtId::kFirstUsable) return refuse("numbers up to 100 are reserved");
  return CtId{static_cast<std::uint32_t>(*number)};
}

Status check_name(std::string_view name) {
  const auto refuse = [&](std::string_view why) -> Error {
    return fail(ErrorCode::invalid_argument, "container.name", fmt::format("\"{}\"", name), why)
        .with_exit_code(137)
        .with_hint("use letters, digits, '-', '_', '.' and spaces between them");
  };
  if (name.empty()) return refuse("a name cannot be empty");
  if (name.size() > 255) return refuse("a name is longer than 255 bytes");
  if (name == "." || name == "..") return refuse("this is no name");
  if (all_digits(name)) return refuse("a name of digits alone would be taken for a number");
  if (name.front() == ' ' || name.back() == ' ') return refuse("a space at the end of a name");
  if (name.front() == '-') return refuse("a name that starts with '-' would be an option");
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == ' ' ||
                       static_cast<unsigned char>(c) >= 0x80;
    if (!plain) return refuse("a character that is not allowed");
  }
  if (!valid_utf8(name)) return refuse("not UTF-8");
  return {};
}

Result<std::optional<CtId>> find_name(Kernel& kernel, const Layout& layout,
                                      const std::string& name) {
  if (!check_name(name)) return std::optional<CtId>{};
  const std::string path = layout.names_directory() + "/" + name;
  TH_ASSIGN(const std::optional<FileInfo> info, kernel.files().stat(path));
  if (!info || info->kind != FileKind::symlink) return std::optional<CtId>{};
  TH_ASSIGN(const std::optional<CtId> owner, link_owner(kernel.files(), path));
  if (!owner) return std::optional<CtId>{};
  TH_ASSIGN(const std::optional<FileInfo> config,
            kernel.files().stat(layout.container_config(*owner)));
  return config ? owner : std::optional<CtId>{};
}

Result<CtId> resolve_container(Kernel& kernel, const Layout& layout, std::string_view text) {
  if (text.empty() || all_digits(text)) return parse_ctid(text);
  TH_ASSIGN(const std::optional<CtId> id, find_name(kernel, layout, std::string(text)));
  if (id) return *id;
  return fail(ErrorCode::not_found, "container.name", fmt::format("\"{}\"", text),
              "no container has this name")
      .with_exit_code(14)
      .with_hint("vzlist -a -o ctid,name shows all names");
}

Result<std::map<std::string, CtId>> list_names(Kernel& kernel, const Layout& layout) {
  std::map<std::string, CtId> names;
  auto entries = kernel.files().list(layout.names_directory());
  if (!entries) {
    if (entries.error().code == ErrorCode::not_found) return names;
    return entries.error();
  }
  for (const DirectoryEntry& entry : *entries) {
    if (entry.kind != FileKind::symlink) continue;
    TH_ASSIGN(const std::optional<CtId> id, find_name(kernel, layout, entry.name));
    if (id) names.emplace(entry.name, *id);
  }
  return names;
}

Status set_name(Kernel& kernel, const Layout& layout, CtId id, const std::string& name) {
  Files& files = kernel.files();
  const std::string directory = layout.names_directory();
  if (!name.empty()) {
    TH_TRY(check_name(name));
    TH_ASSIGN(const std::optional<CtId> owner, find_name(kernel, layout, name));
    if (owner && *owner != id) {
      return fail(ErrorCode::exists, "container.name", fmt::format("\"{}\"", name),
                  fmt::format("the name belongs to CT {}", owner->text()))
          .with_exit_code(137)
          .with_hint("choose another name");
    }
  }
  TH_TRY(make_directories(files, directory));
  const std::string path = directory + "/" + name;
  bool changed = false;
  // The new link first: at no moment is the container without a name that it keeps.
  if (!name.empty()) {
    const std::string target = layout.container_config(id);
    TH_ASSIGN(const std::optional<FileInfo> info, files.stat(path));
    bool right = false;
    if (info && info->kind == FileKind::symlink) {
      TH_ASSIGN(const std::string old, files.read_symlink(path));
      right = old == target;
    }
    if (!right) {
      // Made beside and renamed: a stale link is replaced in one step. '.' first is never a
      // number, and check_name lets nobody use ".new." with a '/' in it.
      const std::string temporary = unfinished_name(layout, id);
      TH_TRY(files.remove(temporary));
      TH_TRY(files.make_symlink(target, temporary));
      TH_TRY(files.rename(temporary, path));
      changed = true;
    }
  }
  TH_ASSIGN(const std::vector<DirectoryEntry> entries, files.list(directory));
  for (const DirectoryEntry& entry : entries) {
    if (entry.kind != FileKind::symlink || entry.name == name) continue;
    TH_ASSIGN(const std::optional<CtId> owner, link_owner(files, directory + "/" + entry.name));
    if (!owner || *owner != id) continue;
    TH_TRY(files.remove(directory + "/" + entry.name));
    changed = true;
  }
  return changed ? files.sync(directory) : Status{};
}

}  // namespace twinhull
