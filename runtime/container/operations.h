// The operations on one container (spec R3, F3.5-F3.31).
//
// Those marked [lock] change the container: call them inside with_lock (locked.h), which takes the
// lock and first completes what an earlier command left half done. The others take no lock.
// Errors carry the exit code of spec R2. Messages to the operator go through the Context's
// reporter, in the order of the spec.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/config/parameter.h"
#include "runtime/container/context.h"
#include "runtime/container/state.h"
#include "runtime/kernel/processes.h"

namespace twinhull::container {

struct CreateOptions {
  std::string ostemplate;  ///< empty = the sample's, else DEF_OSTEMPLATE; a leading dot is dropped
  std::string sample;      ///< empty = CONFIGFILE of vz.conf
  std::string private_pattern;               ///< --private; may hold $VEID; empty = the node's
  std::string root_pattern;                  ///< --root
  std::vector<ParameterRequest> parameters;  ///< --ipadd, --hostname, --name, …
  bool force = false;                        ///< do not warn below 10 GB of free space
};
/// [lock] Builds the private area beside its final name and configures it; only a whole container
/// gets a configuration file. Errors: exit 29, 44, 46, 47, 48, 78, 82, 91, 137 and parameters' own.
Status create(Context& context, CtId id, const CreateOptions& options);

struct DestroyOptions {
  bool safe = false;  ///< keep the data: the private area is renamed to *.destroyed
};
/// [lock] Removes the private area, mount point and name; configuration and scripts become
/// *.destroyed. Errors: exit 32 (running), 41 (mounted), 43 (no private area; the configuration is
/// cleaned all the same), 14.
Status destroy(Context& context, CtId id, const DestroyOptions& options);

struct MountOptions {
  bool skip_scripts = false;  ///< --skip_ve_setup: no action scripts
};
/// [lock] Errors: exit 41 (mounted already), 43, 50, 79, 91.
Status mount(Context& context, CtId id, const MountOptions& options);
/// [lock] Errors: exit 32 (running), 40 (not mounted), 51, 79.
Status unmount(Context& context, CtId id, const MountOptions& options);

struct StartOptions {
  bool wait = false;        ///< return only when the system inside is up
  bool force = false;       ///< start although DISABLED
  bool skip_setup = false;  ///< --skip_ve_setup: no action scripts, nothing configured inside
};
/// [lock] Errors: exit 14, 32, 43, 47, 50, 78, 79, 91, 105, 133 and those of limits. Nothing is
/// left behind after an error.
Status start(Context& context, CtId id, const StartOptions& options);

struct StopOptions {
  bool fast = false;          ///< kill at once
  bool skip_unmount = false;  ///< leave it mounted
  bool skip_scripts = false;  ///< no action scripts
  /// The journal of the caller's own operation stands, and recovers a stop that was cut off too.
  bool journal_stands = false;
  /// It is down for a while only: the node's next start brings it up (see up_mark.h).
  bool comes_back = false;
};
/// [lock] A container that is only mounted is unmounted. Errors: exit 31 (neither), 33.
Status stop(Context& context, CtId id, const StopOptions& options);

/// [lock] stop, when it runs, and start.
Status restart(Context& context, CtId id, const StopOptions& stop_options,
               const StartOptions& start_options);

/// The parts of a suspend, for those who put them together themselves (spec F3.29).
enum class SuspendPhase : std::uint8_t {
  whole,
  freeze,  ///< --suspend: processes and network stand still
  dump,    ///< --dump: of a frozen container, which stays so
  kill,    ///< --kill: a frozen container whose dump is written
  thaw,    ///< --resume: a frozen container goes on, and its dump is worth nothing
};
struct SuspendOptions {
  std::string dumpfile;  ///< --dumpfile: absolute path; empty = DUMPDIR/Dump.CTID
  SuspendPhase phase = SuspendPhase::whole;
  bool comes_back = false;  ///< as StopOptions
};
/// [lock] Writes the state of all processes and ends them; the container is then suspended. With a
/// dump of its own place it is stopped, and only `resume` with that place brings the state back.
/// After an error it runs as before. Errors: exit 31 (not running), 16 (with what stands in the
/// way), 21.
Status suspend(Context& context, CtId id, const SuspendOptions& options);

enum class ResumePhase : std::uint8_t {
  whole,
  undump,  ///< --undump: everything is made again, and stands still
  go,      ///< --resume: after --undump
  kill,    ///< --kill: after --undump; the dump stays
};
struct ResumeOptions {
  std::string dumpfile;  ///< as SuspendOptions; it stays, while DUMPDIR/Dump.CTID is used up
  ResumePhase phase = ResumePhase::whole;
  std::function<void()> went_on = {};  ///< called when the processes run: what follows is clearing up
};
/// [lock] A suspended container goes on where it stood; a paused one is thawed. After an error the
/// dump is there as before. Errors: exit 32 (running), 17 (no dump, or it cannot be restored), 78,
/// 105 and those of mount.
Status resume(Context& context, CtId id, const ResumeOptions& options);

/// [lock] Freezes the processes; resume thaws them. Errors: exit 31, 16.
Status pause(Context& context, CtId id);

/// How `set` treats a change that a running container cannot take (spec R3).
enum class SetMode : std::uint8_t { warn, ignore, restart };
struct SetOptions {
  std::vector<ParameterRequest> parameters;
  /// --applyconfig: take all keys of this sample first, except those that belong to one container
  /// alone (spec F4.37). Errors of it: exit 109.
  std::string sample;
  /// --applyconfig_map: "name" makes the name's link again as NAME in CTID.conf says (spec F4.37).
  /// Errors of it: exit 109.
  std::string sample_map;
  bool save = false;
  SetMode mode = SetMode::warn;
  std::vector<std::string> passwords;  ///< "user:password", never shown or saved
  bool crypted = false;                ///< the passwords are hashes
};
/// [lock] Validates every change before any is applied; applies to the running container, and with
/// `save` to CTID.conf. When one part cannot be applied the others are taken back and nothing is
/// saved. Without `save` a change lasts until the container stops.
Status set(Context& context, CtId id, const SetOptions& options);

/// [lock] Sets a user's password, creating the user. A container that is down is mounted meanwhile.
/// Errors: exit 74 and those of mount.
Status set_password(Context& context, const CtSettings& settings, const std::string& user_password,
                    bool crypted);

/// Whether "user:password" can be set: a plain user name, one line. Errors: exit 74.
Status check_password(CtId id, const std::string& user_password);

/// Which of the three exec commands (spec F3.31).
enum class ExecKind : std::uint8_t {
  exec,   ///< through a shell; non-zero becomes 8
  exec2,  ///< through a shell; the command's own code
  exec3,  ///< the words as they are, no shell; the command's own code
};
/// Runs a command in the running container; words "-" alone: commands from standard input.
/// The result is the exit code. Errors: exit 15 (timed out), 31, 20 (no command).
Result<int> execute(Context& context, CtId id, ExecKind kind,
                    const std::vector<std::string>& words);
/// A root shell on the command's terminal; `command` instead when it is not empty.
Result<int> enter(Context& context, CtId id, const std::string& command);
/// Runs a script file of the node inside. A container that is down is mounted meanwhile, in a
/// minimal environment [then under the lock that the caller takes]. The result is its exit code.
Result<int> run_script(Context& context, CtId id, const std::string& script_path);

}  // namespace twinhull::container
