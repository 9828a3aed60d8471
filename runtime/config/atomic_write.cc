#include "runtime/config/atomic_write.h"

#include <optional>

namespace twinhull {

std::string parent_directory(const std::string& path) {
  std::size_t end = path.size();
  while (end > 1 && path[end - 1] == '/') --end;
  const std::size_t slash = path.find_last_of('/', end - 1);
  if (slash == std::string::npos || slash == 0) return "/";
  return path.substr(0, slash);
}

namespace {

Status write_beside(Files& files, const std::string& path, std::string_view text,
                    std::uint32_t mode, bool synced) {
  const std::string temporary = path + ".new";
  // A crash may have left the temporary file with another mode or as a link: start afresh.
  TH_TRY(files.remove(temporary));
  const auto written = [&]() -> Status {
    TH_TRY(files.write(temporary, text, mode));
    if (synced) TH_TRY(files.sync(temporary));
    return files.rename(temporary, path);
  }();
  // The first error is the one to report; the remains are removed again by the next writer.
  if (!written) static_cast<void>(files.remove(temporary));
  return written;
}

}  // namespace

Status write_atomically(Files& files, const std::string& path, std::string_view text,
                        std::uint32_t mode) {
  TH_TRY(write_beside(files, path, text, mode, /*synced=*/true));
  return files.sync(parent_directory(path));
}

Status write_whole(Files& files, const std::string& path, std::string_view text,
                   std::uint32_t mode) {
  return write_beside(files, path, text, mode, /*synced=*/false);
}

Result<Effect> make_directories(Files& files, const std::string& path, std::uint32_t mode) {
  TH_ASSIGN(const std::optional<FileInfo> there, files.stat(path));
  if (there && there->kind == FileKind::directory) return Effect::none;
  const std::string parent = parent_directory(path);
  if (parent != path) TH_TRY(make_directories(files, parent, mode));
  // A symbolic link to a directory passes stat as a link; make_directory decides.
  TH_ASSIGN(const Effect made, files.make_directory(path, mode));
  if (made == Effect::changed) TH_TRY(files.sync(parent));
  return made;
}

}  // namespace twinhull
