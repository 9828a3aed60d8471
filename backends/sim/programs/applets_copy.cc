// Applets that move the bytes of files, which takes disk time: cp mv dd sync sha256sum.
#include <fmt/format.h>

#include <algorithm>

#include "backends/sim/engine/random.h"
#include "backends/sim/programs/applets.h"
#include "backends/sim/programs/disk_use.h"

namespace twinhull::sim {
namespace {

/// Less than this takes no time, as small programs do: a shell script runs at one moment.
constexpr std::uint64_t kMoment = std::uint64_t{1} << 20U;
/// A kernel splits larger operations of direct I/O.
constexpr std::uint64_t kMostDirect = std::uint64_t{1} << 20U;

/// Ends the applet with `status`, after the time that its disk use takes.
int take_time(AppletCall& call, Transfer transfer, int status) {
  CgroupModel& groups = call.table.cgroups();
  const Cgroup& group = *groups.find(call.process.cgroup);
  if (!transfer.direct_read) {
    transfer.read = missing_in_cache(call.table, call.process, transfer.read);
  }
  const std::uint64_t moved = transfer.read + transfer.write;
  const bool direct = transfer.direct_read || transfer.direct_write;
  const bool waits = transfer.flush && groups.io().tree().dirty(group.io) > 0;
  if (waits || moved >= kMoment || (direct && moved > 0)) {
    call.then = std::make_unique<TransferProgram>(std::move(transfer), status, std::move(call.err));
    call.err.clear();
    return status;
  }
  groups.memory().add_cache(group.memory, {moved});
  return std::max(status, make_durable(call.files, transfer, call.name(), call.err));
}

/// Bytes that reading the file asks of the page cache or the disk: none for a template's, whose
/// pages are counted by themselves.
std::uint64_t bytes_to_read(const AppletCall& call, const std::string& path, std::uint64_t size) {
  if (!call.files.shared_file(path)) return size;
  call.table.read_cached(call.process, path);
  return 0;
}

/// Copies one file or tree, and adds up what was moved.
int copy_one(AppletCall& call, const std::string& from, std::string to, bool recursive,
             Transfer& moved) {
  const std::string source = call.path(from);
  std::string target = call.path(to);
  if (is_directory(call, target)) target += "/" + base_of(from);
  const auto info = recursive ? call.files.stat(source) : call.files.stat_target(source);
  if (!info) return call.refuse(from, info.error());
  if (!*info) {
    if (const auto special = read_special(call.table, call.process, source)) {
      const Status written = call.files.write(target, *special);
      return written ? 0 : call.refuse(to, written.error());
    }
    return call.refuse("can't stat '" + from + "': No such file or directory");
  }
  if ((*info)->kind == FileKind::directory || (*info)->kind == FileKind::symlink) {
    if (!recursive) return call.refuse("omitting directory '" + from + "'");
  } else if (const auto there = call.files.stat_target(target); there && *there) {
    if ((*there)->kind == FileKind::directory) {
      return call.refuse("cannot overwrite directory '" + to + "'");
    }
    if ((*there)->inode == (*info)->inode) {
      return call.refuse("'" + from + "' and '" + to + "' are the same file");
    }
    const auto removed = call.files.remove(target);
    if (!removed) return call.refuse(to, removed.error());
  }
  const auto copied = call.files.copy_tree(source, target);
  if (!copied) return call.refuse(to, copied.error());
  moved.read += bytes_to_read(call, source, copied->bytes.value);
  moved.write += copied->bytes.value;
  return 0;
}

int cp(AppletCall& call) {
  const Words words(call);
  if (words.operands.size() < 2) return call.refuse("missing operand");
  const bool recursive = words.has('r') || words.has('R') || words.has('a');
  const std::string& to = words.operands.back();
  if (words.operands.size() > 2 && !is_directory(call, call.path(to))) {
    return call.refuse("target '" + to + "' is not a directory");
  }
  int status = 0;
  Transfer moved;
  for (std::size_t i = 0; i + 1 < words.operands.size(); ++i) {
    status = std::max(status, copy_one(call, words.operands[i], to, recursive, moved));
  }
  return take_time(call, std::move(moved), status);
}

int mv(AppletCall& call) {
  const Words words(call);
  if (words.operands.size() < 2) return call.refuse("missing operand");
  const std::string& to = words.operands.back();
  int status = 0;
  Transfer copied;
  for (std::size_t i = 0; i + 1 < words.operands.size(); ++i) {
    const std::string source = call.path(words.operands[i]);
    std::string target = call.path(to);
    if (is_directory(call, target)) target += "/" + base_of(words.operands[i]);
    const Status moved = call.files.rename(source, target);
    if (moved) continue;
    if (moved.error().code != ErrorCode::cross_device) {
      status = call.refuse(words.operands[i], moved.error());
      continue;
    }
    if (copy_one(call, source, target, true, copied) != 0) {
      status = 1;
      continue;
    }
    const auto removed = call.files.remove_tree(source);
    if (!removed) status = call.refuse(words.operands[i], removed.error());
  }
  return take_time(call, std::move(copied), status);
}

/// What dd was asked to do.
struct DdSpec {
  std::string from, to;
  std::uint64_t block = 512, count = kUnlimited, seek = 0;
  bool sync = false, keep = false, read_direct = false, write_direct = false;
};

/// False: refused, a message was written.
bool parse_dd(AppletCall& call, DdSpec& dd) {
  for (std::size_t i = 1; i < call.argv.size(); ++i) {
    const std::string& word = call.argv[i];
    const std::size_t equals = word.find('=');
    const std::string key = word.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : word.substr(equals + 1);
    const auto amount = parse_amount(value);
    const auto says = [&value](std::string_view flag) {
      return value.find(flag) != std::string::npos;
    };
    if (key == "if")
      dd.from = value;
    else if (key == "of")
      dd.to = value;
    else if (key == "bs" && amount && *amount > 0)
      dd.block = *amount;
    else if (key == "count" && amount)
      dd.count = *amount;
    else if (key == "seek" && amount)
      dd.seek = *amount;
    else if (key == "iflag")
      dd.read_direct = says("direct");
    else if (key == "oflag") {
      dd.write_direct = says("direct") || says("sync");  // sync: each block goes to the disk, too
      dd.sync = dd.sync || says("sync");
    } else if (key == "conv") {
      dd.sync = dd.sync || says("fsync");
      dd.keep = says("notrunc");
    } else if (key != "status") {
      return call.refuse("invalid argument '" + word + "'") == 0;
    }
  }
  if (dd.count != kUnlimited &&
      dd.block > (std::uint64_t{1} << 50U) / std::max<std::uint64_t>(dd.count, 1)) {
    return call.refuse("the amount is out of range") == 0;
  }
  if ((dd.read_direct || dd.write_direct) && dd.block % 512 != 0) {
    return call.refuse("direct I/O in blocks of bs=" + std::to_string(dd.block) +
                       ": Invalid argument") == 0;
  }
  return true;
}

/// Where dd's bytes come from: so many of them, as text unless they are zeros or noise.
struct DdSource {
  bool zero = false, random = false;
  std::uint64_t length = 0;
  std::string text;
};

bool open_source(AppletCall& call, const DdSpec& dd, DdSource& source) {
  source.zero = dd.from == "/dev/zero";
  source.random = dd.from == "/dev/urandom" || dd.from == "/dev/random";
  const std::uint64_t most = dd.count == kUnlimited ? kUnlimited : dd.block * dd.count;
  if (source.zero || source.random) {
    if (const auto allowed = read_for(call.table, call.process, dd.from); !allowed) {
      return call.refuse(dd.from, allowed.error()) == 0;
    }
    if (dd.count == kUnlimited) {
      return call.refuse("without count= this never ends: not supported") == 0;
    }
    source.length = most;
    return true;
  }
  if (dd.from.empty()) {
    source.text = call.rest_of_input();
  } else {
    const std::string path = call.path(dd.from);
    const auto info = call.files.stat_target(path);
    if (dd.to == "/dev/null" && info && *info && (*info)->kind == FileKind::regular) {
      source.length = std::min((*info)->size.value, most);  // of any size: nobody looks at it
      return true;
    }
    auto content = read_for(call.table, call.process, path);
    if (!content) return call.refuse("can't open '" + dd.from + "'", content.error()) == 0;
    source.text = std::move(*content);
  }
  source.text.resize(std::min<std::uint64_t>(source.text.size(), most));
  source.length = source.text.size();
  return true;
}

/// Writes to a file. False: it cannot be opened. `done` is what was written.
bool fill_target(AppletCall& call, const DdSpec& dd, const DdSource& source, std::uint64_t& done,
                 int& status) {
  const std::string path = call.path(dd.to);
  Status opened;
  const auto there = call.files.stat_target(path);
  if (dd.seek > 0) {
    if (!there || !*there) opened = call.files.write(path, "");
    if (opened) opened = call.files.truncate(path, {dd.seek * dd.block});
  } else if (!dd.keep || !there || !*there) {
    opened = call.files.write(path, "");
  }
  if (!opened) return call.refuse("can't open '" + dd.to + "'", opened.error()) == 0;
  if (source.zero || source.random) {
    const auto grown =
        call.files.append_synthetic(path, {source.length}, source.random ? hash_text(path) : 0);
    if (!grown) return call.refuse("'" + dd.to + "'", grown.error()) == 0;
    done = grown->appended.value;
    if (grown->refusal) status = call.refuse("error writing '" + dd.to + "'", *grown->refusal);
  } else if (const Status written = call.files.append(path, source.text); !written) {
    status = call.refuse("error writing '" + dd.to + "'", written.error());
    done = 0;
  }
  return true;
}

int dd(AppletCall& call) {
  DdSpec dd;
  DdSource source;
  if (!parse_dd(call, dd) || !open_source(call, dd, source)) return 1;
  if (dd.to == "/dev/null" &&
      !call.table.cgroups().device_allowed(call.process.cgroup, 'c', 1, 3, true)) {
    return call.refuse("can't open '" + dd.to + "': Operation not permitted");
  }
  int status = 0;
  std::uint64_t done = source.length;
  Transfer transfer;
  const bool to_file = !dd.to.empty() && dd.to != "/dev/null";
  if (dd.to.empty()) {
    if (source.zero || source.random) {
      source.text.assign(std::min<std::uint64_t>(done, OutputBuffer::kMost), '\0');
    }
    call.out += source.text;
  } else if (to_file) {
    if (!fill_target(call, dd, source, done, status)) return 1;
    transfer.write = done;
    transfer.direct_write = dd.write_direct;
    if (dd.sync && status == 0) {
      transfer.flush = true;
      transfer.sync = {call.path(dd.to)};
    }
  }
  if (!dd.from.empty() && !source.zero && !source.random) {
    transfer.read = dd.read_direct ? done : bytes_to_read(call, call.path(dd.from), done);
  }
  transfer.direct_read = dd.read_direct;
  if (dd.read_direct || dd.write_direct) transfer.block = std::min(dd.block, kMostDirect);
  call.err += fmt::format("{}+0 records in\n{}+0 records out\n{} bytes copied\n",
                          (source.length + dd.block - 1) / dd.block, done / dd.block, done);
  // Between devices and pipes it takes the time of copying in memory.
  if (const Duration took = copy_time(done);
      !to_file && transfer.read == 0 && took > milliseconds(1)) {
    call.then = std::make_unique<DelayProgram>(took, status, "", std::move(call.err));
    call.err.clear();
    return status;
  }
  return take_time(call, std::move(transfer), status);
}

int sync(AppletCall& call) {
  const Words words(call);
  Transfer transfer;
  transfer.flush = true;
  transfer.sync_all = words.operands.empty();
  for (const std::string& name : words.operands) transfer.sync.push_back(call.path(name));
  return take_time(call, std::move(transfer), 0);
}

int sha256sum(AppletCall& call) {
  const Words words(call);
  int status = 0;
  std::uint64_t bytes = 0;
  for (const std::string& name : words.operands) {
    const std::string path = call.path(name);
    const auto digest = call.files.digest_file(path);
    if (!digest) {
      status = call.refuse(name, digest.error());
    } else {  // stable and different for different content; not the real function
      call.out += *digest + *digest + *digest + *digest + "  " + name + "\n";
      if (const auto info = call.files.stat_target(path); info && *info) {
        bytes += bytes_to_read(call, path, (*info)->size.value);
      }
    }
  }
  return take_time(call, {.read = bytes}, status);
}

constexpr AppletEntry kCopies[] = {
    {"cp", &cp},           {"mv", &mv}, {"dd", &dd}, {"sync", &sync}, {"sha256sum", &sha256sum},
    {"md5sum", &sha256sum}};

}  // namespace

std::span<const AppletEntry> copy_applets() {
  return kCopies;
}

}  // namespace twinhull::sim
