// The physical machine's end of vzp2v (spec F9.8).
#pragma once

#include <string>

#include "runtime/kernel/channels.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/kernel.h"
#include "runtime/kernel/result.h"

namespace twinhull {

/// Name of the service in Channels::connect.
inline constexpr const char* kMachineService = "machine";

/// Answers one node until it closes the channel: what this machine is, its files once and once
/// more, and stopping services in between. The machine needs no set-up of a node. Whatever ends the
/// conversation, the services that were stopped are started again, unless the node said that it has
/// the container. An error is told to the peer too.
/// Whoever reaches this service can read all files of the machine: let in root alone, as ssh does.
Status serve_machine(Kernel& kernel, Channel& channel);

namespace physical {

/// What the node says (migrate::Message), each answered by "ok" or "error".
///   look    "directory", "figures": what is to be copied; "mark": a file of the node. The answer
///           has "hostname", "architecture", "distribution", "bytes", "inodes", the attachment
///           "config" when figures were wished for, and "boot" and "mark" (mark_text), by which the
///           node sees whether this is itself.
///   copy    "directory", "pass" (whole: a tree that rests; first and last: one in use), "rate";
///           after the answer the tree follows (send_tree), and then
///   copied  "digest": what the node has received.
///   stop    "services", separated by blanks; the answer's "stopped" are those that ran.
///   taken   the container is there: stopped services stay so.
///   abandon it is not: they are started again; the answer's "started" are those.
inline constexpr const char* kLook = "machine-look";
inline constexpr const char* kCopy = "machine-copy";
inline constexpr const char* kCopied = "machine-copied";
inline constexpr const char* kStop = "machine-stop";
inline constexpr const char* kTaken = "machine-taken";
inline constexpr const char* kAbandon = "machine-abandon";

/// What tells a file from another of the same path on another root or machine; empty = not there.
Result<std::string> mark_text(Files& files, const std::string& path);

}  // namespace physical
}  // namespace twinhull
