// vzmsetkey: lets the holder of a key migrate containers here (spec F3.17).
#include <fmt/format.h>

#include <optional>
#include <vector>

#include "runtime/config/atomic_write.h"
#include "runtime/config/whole_number.h"
#include "runtime/kernel/files.h"
#include "runtime/migrate/exit_codes.h"
#include "runtime/migrate/ssh_key.h"
#include "runtime/node/lock.h"
#include "runtime/node/log.h"
#include "tools/commands.h"
#include "tools/vzcfg/program.h"

namespace twinhull::tools {
namespace {

using migrate::MigrateExit;
using migrate::to_int;

struct Account {
  std::string name;
  Ownership owner;
  std::string home;
  std::string shell;
};

Error refuse(std::string_view object, std::string_view why) {
  return fail(ErrorCode::not_permitted, "migrate.account", object, why)
      .with_exit_code(to_int(MigrateExit::usage));
}

/// Lines of passwd(5); what is no such line is passed over.
std::vector<Account> accounts_in(std::string_view text) {
  std::vector<Account> accounts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    std::vector<std::string> fields;
    for (;;) {
      const std::size_t colon = line.find(':');
      fields.emplace_back(line.substr(0, colon));
      if (colon == std::string_view::npos) break;
      line.remove_prefix(colon + 1);
    }
    if (fields.size() != 7) continue;
    const auto uid = whole_number<std::uint32_t>(fields[2]);
    const auto gid = whole_number<std::uint32_t>(fields[3]);
    if (uid && gid) accounts.push_back({fields[0], {*uid, *gid}, fields[5], fields[6]});
  }
  return accounts;
}

bool takes_migrations(const Account& account) {
  return account.shell == "vzmpipe" || account.shell.ends_with("/vzmpipe");
}

/// An account with any other shell would be opened to whoever holds the key.
Result<Account> find_account(Session& session, const std::optional<std::string>& wanted) {
  const std::string path = session.layout.root + "/etc/passwd";
  TH_ASSIGN(const std::string text, session.kernel.files().read(path));
  std::optional<Account> found;
  for (Account& account : accounts_in(text)) {
    if (wanted ? account.name != *wanted : !takes_migrations(account)) continue;
    if (found && !wanted)
      return refuse(account.name, "several accounts have the shell vzmpipe")
          .with_hint("name one with --user");
    found = std::move(account);
    if (wanted) break;
  }
  if (!found)
    return refuse(wanted.value_or(path),
                  wanted ? "there is no such account" : "no account has the shell vzmpipe")
        .with_hint("make one: useradd -m -o -u 0 -s /usr/sbin/vzmpipe vzagent");
  if (!takes_migrations(*found))
    return refuse(found->name,
                  fmt::format("its shell is {}, not vzmpipe: the key would open all of "
                              "the account",
                              found->shell));
  return std::move(*found);
}

/// The directory with this owner and mode; a link in its place could lead anywhere.
Status make_private(Files& files, const std::string& path, const Account& account) {
  TH_TRY(files.make_directory(path, 0700));
  TH_ASSIGN(const auto info, files.stat(path));
  if (!info || info->kind != FileKind::directory) return refuse(path, "is no directory");
  if (info->uid != account.owner.uid || info->gid != account.owner.gid)
    TH_TRY(files.set_owner(path, account.owner));
  if (info->mode != 0700) TH_TRY(files.set_mode(path, 0700));
  return files.sync(parent_directory(path));
}

/// Atomic: sshd sees the old file or the new one, with its owner and mode.
Status replace(Files& files, const std::string& path, const std::string& text,
               const Account& account) {
  const std::string fresh = path + ".new";
  TH_TRY(files.remove(fresh));
  const auto write = [&]() -> Status {
    TH_TRY(files.write(fresh, text, 0600));
    TH_TRY(files.set_owner(fresh, account.owner));
    TH_TRY(files.set_mode(fresh, 0600));
    TH_TRY(files.sync(fresh));
    return files.rename(fresh, path);
  };
  Status written = write();
  if (written) return files.sync(parent_directory(path));
  if (written.error().code == ErrorCode::node_down) return written;
  if (const auto removed = files.remove(fresh); !removed)
    written.error().detail += "; also failed: " + removed.error().message();
  return written;
}

Result<std::string> add_key(Session& session, const Account& account,
                            const migrate::PublicKey& key) {
  Files& files = session.kernel.files();
  TH_ASSIGN(const auto home, files.stat(account.home));
  if (!home || home->kind != FileKind::directory)
    return refuse(account.name, fmt::format("its home {} does not exist", account.home));
  const std::string directory = account.home + "/.ssh";
  const std::string path = directory + "/authorized_keys";
  TH_TRY(make_private(files, directory, account));
  TH_ASSIGN(const auto info, files.stat(path));
  std::string text;
  if (info) {
    if (info->kind != FileKind::regular) return refuse(path, "is no regular file");
    TH_ASSIGN(text, files.read(path));
  }
  const bool there = migrate::holds_key(text, key);
  const bool right = info && info->mode == 0600 && info->uid == account.owner.uid &&
                     info->gid == account.owner.gid;
  if (!there) {
    if (!text.empty() && !text.ends_with('\n')) text += '\n';
    text += key.line();
  }
  if (!there || !right) TH_TRY(replace(files, path, text, account));
  return fmt::format("The key {} {} in {}", key.comment.empty() ? key.type : key.comment,
                     there ? "was already" : "is now", path);
}

Result<int> run(Session& session, const std::optional<std::string>& user) {
  TH_ASSIGN(const NodeConfig node, load_node_config(session.kernel, session.layout));
  Reporter reporter(session, node, "vzmsetkey", Verbosity::normal);
  const auto set = [&]() -> Status {
    TH_ASSIGN(const migrate::PublicKey key, migrate::parse_public_key(session.read_input()));
    TH_ASSIGN(const Account account, find_account(session, user));
    // Two at a time would lose a key. The accounts are the node's: its lock.
    TH_ASSIGN(const LockHeld lock,
              acquire_lock(session.kernel, node.lock_directory, CtId{0}, "adding a key"));
    const auto said = add_key(session, account, key);
    if (!said && said.error().code == ErrorCode::node_down) return said.error();
    TH_TRY(release_lock(session.kernel, lock));
    if (!said) return said.error();
    reporter.say(*said);
    return {};
  };
  const Status done = set();
  if (done) return 0;
  if (done.error().code != ErrorCode::node_down) reporter.error(done.error().message());
  return migrate::migrate_exit_code(done.error());
}

}  // namespace

int vzmsetkey(Session& session, std::span<const std::string> argv) {
  std::optional<std::string> user;
  const ProgramGrammar grammar{
      .program = "vzmsetkey",
      .summary =
          "Reads a public key of ssh from standard input and lets its holder migrate "
          "containers to this node, through the account whose login shell is vzmpipe.",
      .examples =
          "  vzmsetkey < id_ed25519.pub\n"
          "  ssh root@source cat .ssh/id_ed25519.pub | vzmsetkey --user vzagent\n"
          "Exit codes: 0 it is there (now or already), 1 no usable key or account, 2 system "
          "error, 3 locked\n",
      .values = {{"--user", &user, "NAME", "The account, when several have that shell"}},
  };
  return run_program(session, grammar, argv,
                     {.usage = to_int(MigrateExit::usage), .failure = to_int(MigrateExit::system)},
                     [&] { return run(session, user); });
}

}  // namespace twinhull::tools
