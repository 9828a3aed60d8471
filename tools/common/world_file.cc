#include "tools/common/world_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "runtime/migrate/serve.h"
#include "runtime/physical/service.h"
#include "tools/common/node_setup.h"

namespace twinhull::tools {
namespace {

constexpr std::uint64_t kDefaultSeed = 1;
constexpr int kLockTries = 300;  // of 100 ms

Error file_error(std::string_view what, const std::string& path) {
  const int number = errno;
  const ErrorCode code = number == EACCES || number == EPERM ? ErrorCode::not_permitted
                         : number == ENOSPC                  ? ErrorCode::no_space
                         : number == ENOENT                  ? ErrorCode::not_found
                                                             : ErrorCode::input_output;
  return fail(code, "world.file", path, std::string(what) + ": " + std::strerror(number))
      .with_errno(number)
      .with_hint("choose another file with --world FILE");
}

}  // namespace

WorldFile::WorldFile(WorldFile&& other) noexcept
    : path_(std::move(other.path_)),
      lock_(std::exchange(other.lock_, -1)),
      created_(other.created_),
      world_(std::move(other.world_)) {}

WorldFile::~WorldFile() {
  if (lock_ >= 0) ::close(lock_);
}

Status add_ready_node(sim::World& world, const sim::NodeSpec& spec) {
  TH_TRY(world.add_node(spec));
  TH_TRY(set_up_node(world.kernel(spec.name), Layout{}));
  using Kind = sim::TemplateSpec::Kind;
  TH_TRY(world.install_template(spec.name, "/vz/template/cache/busybox",
                                {"busybox", Kind::busybox, {}}));
  return world.install_template(spec.name, "/vz/template/cache/debian-12-x86_64",
                                {"debian-12-x86_64", Kind::debian, {std::uint64_t{200} << 20}});
}

void register_services(sim::World& world) {
  world.set_service("migrate", [](Kernel& kernel, Channel& channel) {
    // A service has nobody to report to: the peer was told over the channel, and recovery has the
    // journal.
    static_cast<void>(serve_migration(kernel, Layout{}, channel));
  });
  world.set_service(kMachineService, [](Kernel& kernel, Channel& channel) {
    // As above; the machine's services run again, or are named in the error.
    static_cast<void>(serve_machine(kernel, channel));
  });
}

Result<WorldFile> WorldFile::open(const std::string& path) {
  std::error_code ignored;
  const auto folder = std::filesystem::path(path).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, ignored);
  const std::string lock_path = path + ".lock";
  const int lock = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0) return file_error("cannot open the lock", lock_path);
  WorldFile file(path, lock);
  for (int attempt = 0; ::flock(lock, LOCK_EX | LOCK_NB) != 0; ++attempt) {
    if (errno != EWOULDBLOCK && errno != EINTR) return file_error("cannot lock", lock_path);
    if (attempt == kLockTries)
      return fail(ErrorCode::in_progress, "world.file", path,
                  "another program has been using this world for 30 s")
          .with_hint("wait for it, or choose another world with --world FILE");
    ::usleep(100'000);
  }

  std::ifstream in(path, std::ios::binary);
  if (!in) {
    if (errno != ENOENT) return file_error("cannot read", path);
    file.created_ = true;
    file.world_ = std::make_unique<sim::World>(kDefaultSeed);
    TH_TRY(add_ready_node(*file.world_, {.name = "n1"}));
  } else {
    std::string bytes;
    in.seekg(0, std::ios::end);
    const auto size = in.tellg();
    if (size > 0) bytes.resize(static_cast<std::size_t>(size));
    in.seekg(0);
    in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    auto loaded = sim::World::load(bytes);
    if (!loaded) {
      Error error = std::move(loaded).error();
      error.object = path;
      if (error.hint.empty())
        error.hint = "restore the file, or start afresh with: vzsim reset --world " + path;
      return error;
    }
    file.world_ = std::move(*loaded);
  }
  register_services(*file.world_);
  return file;
}

Status WorldFile::save() {
  const std::string bytes = world_->save();
  const std::string fresh = path_ + ".new";
  const int out = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (out < 0) return file_error("cannot write", fresh);
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = ::write(out, bytes.data() + done, bytes.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      Error error = file_error("cannot write", fresh);
      ::close(out);
      ::unlink(fresh.c_str());
      return error;
    }
    done += static_cast<std::size_t>(count);
  }
  // Without this a power cut after the rename could leave an empty file.
  if (::fsync(out) != 0) {
    Error error = file_error("cannot write", fresh);
    ::close(out);
    ::unlink(fresh.c_str());
    return error;
  }
  if (::close(out) != 0 || std::rename(fresh.c_str(), path_.c_str()) != 0)
    return file_error("cannot replace", path_);
  return {};
}

}  // namespace twinhull::tools
