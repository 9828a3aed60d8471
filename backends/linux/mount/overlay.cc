#include "backends/linux/mount/overlay.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>
#include <vector>

#include "backends/linux/errno_error.h"
#include "backends/linux/unique_fd.h"

namespace twinhull::linux_backend {
namespace {

/// The kernel's own words about a failed step on a mount context.
std::string context_message(int context) {
  std::array<char, 512> text{};
  const ssize_t length = ::read(context, text.data(), text.size());
  if (length <= 2) return "cannot mount the overlay";
  std::string message(text.data(), static_cast<std::size_t>(length));
  while (!message.empty() && message.back() == '\n') message.pop_back();
  return "cannot mount the overlay (" + message.substr(2) + ")";  // "e " comes first
}

/// What mount(2) reports when a layer does not suit is EINVAL for most causes; the kernel's message
/// tells. A kernel without overlayfs says ENODEV.
Error overlay_error(std::string_view operation, const std::string& place, int error,
                    const std::string& detail) {
  if (error == ENODEV) {
    return system_error(ErrorCode::not_supported, operation, place, error,
                        "this kernel has no overlayfs (CONFIG_OVERLAY_FS)");
  }
  return system_error(operation, place, error, detail);
}

Status mount_classic(std::string_view operation, const std::string& place,
                     const OverlaySpec& spec) {
  const std::string options = overlay_options(spec);
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  if (options.size() >= page) {
    return fail(ErrorCode::not_supported, operation, place,
                "the layers' paths are longer than one page, which this kernel cannot take "
                "(lowerdir+ needs Linux 6.8)")
        .with_amounts(options.size(), std::nullopt, page - 1);
  }
  if (::mount("overlay", place.c_str(), "overlay", 0, options.c_str()) != 0)
    return overlay_error(operation, place, errno, "cannot mount the overlay");
  return {};
}

/// Longest string that fsconfig(2) takes, its NUL not counted.
constexpr std::size_t kMostValue = 255;

/// Names one layer to the context. A path that is too long goes through a descriptor, which `open`
/// keeps until the mount is made.
bool set_layer(int context, const char* key, const std::string& path, std::vector<UniqueFd>& open) {
  if (path.size() <= kMostValue)
    return ::fsconfig(context, FSCONFIG_SET_STRING, key, path.c_str(), 0) == 0;
  UniqueFd fd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return false;
  const std::string through = "/proc/self/fd/" + std::to_string(fd.get());
  open.push_back(std::move(fd));
  return ::fsconfig(context, FSCONFIG_SET_STRING, key, through.c_str(), 0) == 0;
}

/// Whether a context takes overlay's options one by one. Before Linux 6.5 it collects any text and
/// parses it as mount(2) does when the mount is made: "lowerdir+" is unknown there, and commas are
/// refused. Such a kernel also takes an option that nobody knows.
bool parses_each_option() {
  const UniqueFd probe(::fsopen("overlay", FSOPEN_CLOEXEC));
  return probe && ::fsconfig(probe.get(), FSCONFIG_SET_STRING, "twinhull", "probe", 0) != 0;
}

}  // namespace

std::string escape_layer(std::string_view path) {
  std::string escaped;
  for (const char letter : path) {
    if (letter == ',' || letter == ':' || letter == '\\') escaped += '\\';
    escaped += letter;
  }
  return escaped;
}

std::string overlay_options(const OverlaySpec& spec) {
  std::string options = "lowerdir=";
  for (std::size_t i = 0; i < spec.lowers.size(); ++i)
    options += (i > 0 ? ":" : "") + escape_layer(spec.lowers[i]);
  // The commas of the two others are undone by the option parser, colons mean nothing there.
  return options + ",upperdir=" + escape_layer(spec.upper) + ",workdir=" + escape_layer(spec.work);
}

Status mount_overlay(std::string_view operation, const std::string& place,
                     const OverlaySpec& spec) {
  if (spec.lowers.empty() || spec.lowers.size() > kMostLowers) {
    return fail(ErrorCode::invalid_argument, operation, place,
                "an overlay has 1 to 500 lower layers")
        .with_amounts(spec.lowers.size(), std::nullopt, kMostLowers);
  }
  UniqueFd context(::fsopen("overlay", FSOPEN_CLOEXEC));
  if (!context) {
    if (errno == ENOSYS) {
      TH_TRY(mount_classic(operation, place, spec));
      return make_mount_private(operation, place);
    }
    return overlay_error(operation, place, errno, "cannot mount the overlay");
  }
  if (!parses_each_option()) {
    TH_TRY(mount_classic(operation, place, spec));
    return make_mount_private(operation, place);
  }
  // Shown in the mount table, nothing more.
  if (::fsconfig(context.get(), FSCONFIG_SET_STRING, "source", "overlay", 0) != 0)
    return overlay_error(operation, place, errno, "cannot name the mount's source");
  std::vector<UniqueFd> open;
  // The values are plain here: no escapes.
  for (const std::string& lower : spec.lowers) {
    if (set_layer(context.get(), "lowerdir+", lower, open)) continue;
    if (errno == EINVAL && &lower == &spec.lowers.front()) {
      TH_TRY(mount_classic(operation, place, spec));
      return make_mount_private(operation, place);
    }
    const int error = errno;
    return overlay_error(operation, lower, error, context_message(context.get()));
  }
  if (!set_layer(context.get(), "upperdir", spec.upper, open)) {
    const int error = errno;
    return overlay_error(operation, spec.upper, error, context_message(context.get()));
  }
  if (!set_layer(context.get(), "workdir", spec.work, open)) {
    const int error = errno;
    return overlay_error(operation, spec.work, error, context_message(context.get()));
  }
  if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    const int error = errno;
    return overlay_error(operation, place, error, context_message(context.get()));
  }
  UniqueFd mount(::fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
  if (!mount) return overlay_error(operation, place, errno, context_message(context.get()));
  if (::move_mount(mount.get(), "", AT_FDCWD, place.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0)
    return overlay_error(operation, place, errno, "cannot put the overlay in its place");
  return make_mount_private(operation, place);
}

Status make_mount_private(std::string_view operation, const std::string& place) {
  if (::mount(nullptr, place.c_str(), nullptr, MS_PRIVATE, nullptr) == 0) return {};
  return system_error(operation, place, errno, "cannot keep the mount to this namespace");
}

}  // namespace twinhull::linux_backend
