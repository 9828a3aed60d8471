// Applets on files: cat rm mkdir rmdir touch ln ls chmod chown stat df du mktemp …
#include <fmt/format.h>

#include <algorithm>

#include "backends/sim/engine/random.h"
#include "backends/sim/programs/applets.h"

namespace twinhull::sim {

Words::Words(const AppletCall& call) {
  bool options = true;
  for (std::size_t i = 1; i < call.argv.size(); ++i) {
    const std::string& word = call.argv[i];
    if (options && word == "--") {
      options = false;
    } else if (options && word.size() > 1 && word[0] == '-' && word[1] != '-') {
      flags += word.substr(1);
    } else if (!options || word.size() < 2 || !word.starts_with("--")) {
      operands.push_back(word);
    }
  }
}

std::string base_of(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

bool is_directory(const AppletCall& call, const std::string& path) {
  const auto info = call.files.stat_target(path);
  return info && *info && (*info)->kind == FileKind::directory;
}

namespace {

int cat(AppletCall& call) {
  const Words words(call);
  int status = 0;
  if (words.operands.empty()) call.out += call.rest_of_input();
  for (const std::string& name : words.operands) {
    if (name == "-") {
      call.out += call.rest_of_input();
      continue;
    }
    auto text = read_for(call.table, call.process, call.path(name));
    if (text) {
      call.out += *text;
    } else {
      status = call.refuse(name, text.error());
    }
    if (call.out.size() > OutputBuffer::kMost) return call.refuse("too much output");
  }
  return status;
}

int rm(AppletCall& call) {
  const Words words(call);
  const bool force = words.has('f');
  if (words.operands.empty() && !force) return call.refuse("missing operand");
  int status = 0;
  for (const std::string& name : words.operands) {
    const std::string path = call.path(name);
    const auto info = call.files.stat(path);
    if (!info || !*info) {
      if (!force) status = call.refuse("can't remove '" + name + "': No such file or directory");
      continue;
    }
    if ((*info)->kind == FileKind::directory && !words.has('r') && !words.has('R')) {
      status = call.refuse("'" + name + "' is a directory");
      continue;
    }
    const auto removed = (*info)->kind == FileKind::directory ? call.files.remove_tree(path)
                                                              : call.files.remove(path);
    if (!removed) status = call.refuse(name, removed.error());
  }
  return status;
}

int mkdir(AppletCall& call) {
  Words words(call);
  if (words.has('m') && !words.operands.empty()) words.operands.erase(words.operands.begin());
  int status = 0;
  if (words.operands.empty()) return call.refuse("missing operand");
  for (const std::string& name : words.operands) {
    const std::string path = call.path(name);
    if (words.has('p')) {
      for (std::size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
        const std::string part = path.substr(0, at);
        if (!is_directory(call, part)) {
          const auto made = call.files.make_directory(part);
          if (!made) {
            status = call.refuse("can't create directory '" + name + "'", made.error());
            break;
          }
        }
        if (at == std::string::npos) break;
      }
      continue;
    }
    const auto made = call.files.make_directory(path);
    if (!made) {
      status = call.refuse("can't create directory '" + name + "'", made.error());
    } else if (*made == Effect::none) {
      status = call.refuse("can't create directory '" + name + "': File exists");
    }
  }
  return status;
}

int rmdir(AppletCall& call) {
  const Words words(call);
  int status = 0;
  for (const std::string& name : words.operands) {
    const std::string path = call.path(name);
    const auto info = call.files.stat(path);
    if (!info || !*info) {
      status = call.refuse("'" + name + "': No such file or directory");
    } else if ((*info)->kind != FileKind::directory) {
      status = call.refuse("'" + name + "': Not a directory");
    } else if (const auto removed = call.files.remove(path); !removed) {
      status = call.refuse("'" + name + "'", removed.error());
    }
  }
  return status;
}

int touch(AppletCall& call) {
  const Words words(call);
  int status = 0;
  for (const std::string& name : words.operands) {
    const std::string path = call.path(name);
    const auto info = call.files.stat_target(path);
    const Status done = info && *info ? call.files.touch(path) : call.files.write(path, "");
    if (!done) status = call.refuse(name, done.error());
  }
  return status;
}

int ln(AppletCall& call) {
  const Words words(call);
  if (words.operands.empty()) return call.refuse("missing operand");
  const std::string& from = words.operands[0];
  std::string target =
      call.path(words.operands.size() > 1 ? words.operands[1] : base_of(from));
  if (!words.has('n') && is_directory(call, target)) target += "/" + base_of(from);
  if (words.has('f')) {
    const auto removed = call.files.remove(target);
    if (!removed) return call.refuse(target, removed.error());
  }
  const Status made = words.has('s') ? call.files.make_symlink(from, target)
                                     : call.files.hard_link(call.path(from), target);
  return made ? 0 : call.refuse(target, made.error());
}

std::string mode_text(const FileInfo& info) {
  static constexpr char kKinds[] = {'-', 'd', 'l', 'c', 'p', 's'};
  std::string text(1, kKinds[static_cast<std::size_t>(info.kind)]);
  for (int bit = 8; bit >= 0; --bit) {
    text += (info.mode >> static_cast<unsigned>(bit) & 1U) != 0 ? "rwx"[(8 - bit) % 3] : '-';
  }
  return text;
}

void ls_entry(AppletCall& call, const Words& words, const std::string& path,
              const std::string& shown) {
  if (!words.has('l')) {
    call.out += shown + "\n";
    return;
  }
  const auto info = call.files.stat(path);
  if (!info || !*info) return;
  call.out += fmt::format("{} {:>4} {:<8} {:<8} {:>9} {}", mode_text(**info), (*info)->links,
                          (*info)->uid == 0 ? "root" : std::to_string((*info)->uid),
                          (*info)->gid == 0 ? "root" : std::to_string((*info)->gid),
                          (*info)->size.value, shown);
  if ((*info)->kind == FileKind::symlink) {
    const auto target = call.files.read_symlink(path);
    if (target) call.out += " -> " + *target;
  }
  call.out += '\n';
}

int ls(AppletCall& call) {
  Words words(call);
  if (words.operands.empty()) words.operands.emplace_back(".");
  int status = 0;
  for (const std::string& name : words.operands) {
    const std::string path = call.path(name);
    const auto info = call.files.stat(path);
    if (!info || !*info) {
      call.err += "ls: " + name + ": No such file or directory\n";
      status = 1;
      continue;
    }
    if (words.has('d') || !is_directory(call, path)) {
      ls_entry(call, words, path, name);
      continue;
    }
    if (words.operands.size() > 1) call.out += name + ":\n";
    const auto entries = call.files.list(path);
    if (!entries) {
      status = call.refuse(name, entries.error());
      continue;
    }
    for (const DirectoryEntry& entry : *entries) {
      if (entry.name.starts_with('.') && !words.has('a') && !words.has('A')) continue;
      ls_entry(call, words, path + "/" + entry.name, entry.name);
    }
  }
  return status;
}

std::optional<std::uint32_t> parse_mode(const std::string& text, std::uint32_t old) {
  if (!text.empty() && text.find_first_not_of("01234567") == std::string::npos && text.size() < 6) {
    std::uint32_t mode = 0;
    for (char c : text) mode = mode * 8 + static_cast<std::uint32_t>(c - '0');
    return mode & 07777U;
  }
  std::size_t i = 0;
  std::uint32_t who = 0;
  for (; i < text.size() && std::string_view("ugoa").find(text[i]) != std::string_view::npos; ++i) {
    who |= text[i] == 'u' ? 0700U : text[i] == 'g' ? 0070U : text[i] == 'o' ? 0007U : 0777U;
  }
  if (who == 0) who = 0777U;
  if (i >= text.size()) return std::nullopt;
  const char op = text[i++];
  std::uint32_t bits = 0;
  for (; i < text.size(); ++i) {
    if (text[i] == 'r') bits |= 0444U;
    else if (text[i] == 'w') bits |= 0222U;
    else if (text[i] == 'x' || text[i] == 'X') bits |= 0111U;
    else if (text[i] != 's' && text[i] != 't') return std::nullopt;
  }
  if (op == '+') return old | (bits & who);
  if (op == '-') return old & ~(bits & who);
  if (op == '=') return (old & ~who) | (bits & who);
  return std::nullopt;
}

/// Runs `change` on a path and, with -R, on everything below; depth bounded by the path length.
template <typename Change>
int apply(AppletCall& call, const std::string& path, bool recursive, const Change& change) {
  int status = change(path);
  if (!recursive || path.size() > 4096) return status;
  const auto info = call.files.stat(path);
  if (!info || !*info || (*info)->kind != FileKind::directory) return status;
  const auto entries = call.files.list(path);
  if (!entries) return call.refuse(path, entries.error());
  for (const DirectoryEntry& entry : *entries) {
    if (entry.kind == FileKind::symlink) continue;
    status = std::max(status, apply(call, path + "/" + entry.name, recursive, change));
  }
  return status;
}

int chmod(AppletCall& call) {
  std::vector<std::string> operands;
  bool recursive = false;
  for (std::size_t i = 1; i < call.argv.size(); ++i) {
    if (call.argv[i] == "-R") recursive = true;
    else operands.push_back(call.argv[i]);
  }
  if (operands.size() < 2) return call.refuse("missing operand");
  int status = 0;
  for (std::size_t i = 1; i < operands.size(); ++i) {
    status = std::max(status, apply(call, call.path(operands[i]), recursive,
                                    [&](const std::string& path) {
      const auto info = call.files.stat_target(path);
      if (!info || !*info) return call.refuse(operands[i] + ": No such file or directory");
      const auto mode = parse_mode(operands[0], (*info)->mode);
      if (!mode) return call.refuse("invalid mode '" + operands[0] + "'");
      const Status done = call.files.set_mode(path, *mode);
      return done ? 0 : call.refuse(operands[i], done.error());
    }));
  }
  return status;
}

/// "USER[:GROUP]" by number or /etc/passwd and /etc/group.
std::optional<std::uint32_t> find_id(AppletCall& call, const std::string& name, const char* file) {
  if (name.empty()) return std::nullopt;
  if (name.find_first_not_of("0123456789") == std::string::npos) {
    const auto value = parse_amount(name);
    if (value && *value <= 0xffffffffU) return static_cast<std::uint32_t>(*value);
    return std::nullopt;
  }
  const auto text = call.files.read(file);
  if (!text) return std::nullopt;
  std::size_t at = 0;
  while (at < text->size()) {
    const std::size_t end = std::min(text->find('\n', at), text->size());
    const std::string line = text->substr(at, end - at);
    at = end + 1;
    if (!line.starts_with(name + ":")) continue;
    const std::size_t second = line.find(':', name.size() + 1);
    if (second == std::string::npos) return std::nullopt;
    const auto value = parse_amount(line.substr(second + 1, line.find(':', second + 1) - second - 1));
    if (value && *value <= 0xffffffffU) return static_cast<std::uint32_t>(*value);
  }
  return std::nullopt;
}

int chown(AppletCall& call) {
  const Words words(call);
  if (words.operands.size() < 2) return call.refuse("missing operand");
  const std::string& who = words.operands[0];
  const std::size_t colon = who.find(':');
  const std::string user = who.substr(0, colon);
  const auto uid = find_id(call, user, "/etc/passwd");
  const std::string group = colon == std::string::npos ? std::string() : who.substr(colon + 1);
  const auto gid = find_id(call, group, "/etc/group");
  if ((!user.empty() && !uid) || (!group.empty() && !gid)) {
    return call.refuse("unknown user/group " + who);
  }
  int status = 0;
  for (std::size_t i = 1; i < words.operands.size(); ++i) {
    status = std::max(status, apply(call, call.path(words.operands[i]), words.has('R'),
                                    [&](const std::string& path) {
      const auto info = call.files.stat_target(path);
      if (!info || !*info) return call.refuse(words.operands[i] + ": No such file or directory");
      const Status done = call.files.set_owner(
          path, {uid.value_or((*info)->uid), gid.value_or((*info)->gid)});
      return done ? 0 : call.refuse(words.operands[i], done.error());
    }));
  }
  return status;
}

int stat(AppletCall& call) {
  std::string format;
  std::vector<std::string> operands;
  for (std::size_t i = 1; i < call.argv.size(); ++i) {
    if ((call.argv[i] == "-c" || call.argv[i] == "--format") && i + 1 < call.argv.size()) {
      format = call.argv[++i];
    } else if (call.argv[i] != "-L") {
      operands.push_back(call.argv[i]);
    }
  }
  int status = 0;
  for (const std::string& name : operands) {
    const auto info = call.files.stat(call.path(name));
    if (!info || !*info) {
      status = call.refuse("can't stat '" + name + "': No such file or directory");
      continue;
    }
    const FileInfo& facts = **info;
    static constexpr std::string_view kKinds[] = {"regular file", "directory", "symbolic link",
                                                  "character special file", "fifo", "socket"};
    const std::string_view kind = kKinds[static_cast<std::size_t>(facts.kind)];
    std::string line = format.empty() ? "  File: %n\n  Size: %s  Blocks: %b  %F\n  Access: %a  Uid: %u  Gid: %g  Links: %h" : format;
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (line[i] != '%' || i + 1 >= line.size()) {
        call.out += line[i];
        continue;
      }
      switch (line[++i]) {
        case 'n': call.out += name; break;
        case 's': call.out += std::to_string(facts.size.value); break;
        case 'b': call.out += std::to_string(facts.allocated.value / 512); break;
        case 'a': call.out += fmt::format("{:o}", facts.mode); break;
        case 'A': call.out += mode_text(facts); break;
        case 'u': call.out += std::to_string(facts.uid); break;
        case 'g': call.out += std::to_string(facts.gid); break;
        case 'U': call.out += facts.uid == 0 ? "root" : "UNKNOWN"; break;
        case 'G': call.out += facts.gid == 0 ? "root" : "UNKNOWN"; break;
        case 'h': call.out += std::to_string(facts.links); break;
        case 'i': call.out += std::to_string(facts.inode); break;
        case 'F': call.out += kind; break;
        case 'Y': call.out += std::to_string(facts.modified.time_since_epoch().count() / 1'000'000'000); break;
        case '%': call.out += '%'; break;
        default: return call.refuse("this format is not supported");
      }
    }
    call.out += '\n';
  }
  return status;
}

int df(AppletCall& call) {
  Words words(call);
  if (words.operands.empty()) words.operands.emplace_back("/");
  call.out += "Filesystem     1K-blocks      Used Available Use% Mounted on\n";
  int status = 0;
  for (const std::string& name : words.operands) {
    const auto disk = call.files.disk(call.path(name));
    if (!disk) {
      status = call.refuse(name, disk.error());
      continue;
    }
    const std::uint64_t total = disk->capacity.value / 1024, free = disk->available.value / 1024;
    const std::uint64_t used = total - std::min(total, free);
    call.out += fmt::format("{:<14} {:>9} {:>9} {:>9} {:>3}% {}\n", disk->file_system, total, used,
                            free, total == 0 ? 0 : (used * 100 + total - 1) / total, name);
  }
  return status;
}

int du(AppletCall& call) {
  Words words(call);
  if (words.operands.empty()) words.operands.emplace_back(".");
  int status = 0;
  for (const std::string& name : words.operands) {
    const auto size = call.files.measure_tree(call.path(name));
    if (!size) {
      status = call.refuse(name, size.error());
    } else {
      call.out += fmt::format("{}\t{}\n", (size->bytes.value + 1023) / 1024, name);
    }
  }
  return status;
}

int mktemp(AppletCall& call) {
  bool directory = false;
  std::string pattern = "/tmp/tmp.XXXXXX";
  for (std::size_t i = 1; i < call.argv.size(); ++i) {
    if (call.argv[i] == "-d") directory = true;
    else if (call.argv[i] == "-p" && i + 1 < call.argv.size()) pattern = call.argv[++i] + "/tmp.XXXXXX";
    else if (!call.argv[i].starts_with('-')) pattern = call.argv[i];
  }
  const std::size_t end = pattern.size();
  std::size_t begin = end;
  while (begin > 0 && pattern[begin - 1] == 'X') --begin;
  if (end - begin < 6) return call.refuse("a template ends in XXXXXX");
  RandomStream random(mix(call.table.node().engine.seed(), hash_text(pattern)));
  for (int attempt = 0; attempt < 1000; ++attempt) {
    std::string path = call.path(pattern);
    for (std::size_t i = path.size() - (end - begin); i < path.size(); ++i) {
      path[i] = "abcdefghijklmnopqrstuvwxyz0123456789"[random.below(36)];
    }
    const auto there = call.files.stat(path);
    if (!there) return call.refuse(path, there.error());
    if (*there) continue;
    Status made;
    if (directory) {
      const auto created = call.files.make_directory(path, 0700);
      if (!created) made = created.error();
    } else {
      made = call.files.write(path, "", 0600);
    }
    if (!made) return call.refuse(path, made.error());
    call.out += path + "\n";
    return 0;
  }
  return call.refuse("no free name");
}

int readlink(AppletCall& call) {
  const Words words(call);
  if (words.operands.empty()) return call.refuse("missing operand");
  const auto target = call.files.read_symlink(call.path(words.operands[0]));
  if (!target) return 1;
  call.out += *target + "\n";
  return 0;
}

int basename(AppletCall& call) {
  if (call.argv.size() < 2) return call.refuse("missing operand");
  std::string name = base_of(call.argv[1]);
  if (call.argv.size() > 2 && name.size() > call.argv[2].size() && name.ends_with(call.argv[2])) {
    name.resize(name.size() - call.argv[2].size());
  }
  call.out += name + "\n";
  return 0;
}

int dirname(AppletCall& call) {
  if (call.argv.size() < 2) return call.refuse("missing operand");
  const std::size_t slash = call.argv[1].rfind('/');
  call.out += slash == std::string::npos ? "." : slash == 0 ? "/" : call.argv[1].substr(0, slash);
  call.out += '\n';
  return 0;
}

constexpr AppletEntry kFiles[] = {
    {"cat", &cat},       {"rm", &rm},         {"mkdir", &mkdir},   {"rmdir", &rmdir},
    {"touch", &touch},   {"ln", &ln},         {"ls", &ls},         {"chmod", &chmod},
    {"chown", &chown},   {"stat", &stat},     {"df", &df},         {"du", &du},
    {"mktemp", &mktemp}, {"readlink", &readlink}, {"basename", &basename},
    {"dirname", &dirname}};

}  // namespace

std::span<const AppletEntry> file_applets() { return kFiles; }

}  // namespace twinhull::sim
