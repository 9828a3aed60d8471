#include "backends/linux/file/copy_data.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "backends/linux/errno_error.h"

namespace twinhull::linux_backend {
namespace {

class DataCopy {
 public:
  DataCopy(int from, int to, std::string_view operation, const std::string& object)
      : from_(from), to_(to), operation_(operation), object_(object) {}

  /// Copies [begin, end); the end may come earlier when somebody cuts the file meanwhile.
  Status range(off_t begin, off_t end) {
    while (begin < end && in_kernel_) {
      off_t source = begin;
      off_t target = begin;
      const ssize_t count =
          ::copy_file_range(from_, &source, to_, &target, static_cast<std::size_t>(end - begin), 0);
      if (count > 0) {
        begin += count;
      } else if (count == 0) {
        return {};
      } else if (errno == EXDEV || errno == EOPNOTSUPP || errno == EINVAL || errno == ENOSYS) {
        in_kernel_ = false;
      } else if (errno != EINTR) {
        return error("cannot copy");
      }
    }
    return begin < end ? through_buffer(begin, end) : Status{};
  }

 private:
  Status through_buffer(off_t begin, off_t end) {
    if (buffer_.empty()) buffer_.resize(std::size_t{1} << 18);
    while (begin < end) {
      const auto most = std::min(buffer_.size(), static_cast<std::size_t>(end - begin));
      const ssize_t count = ::pread(from_, buffer_.data(), most, begin);
      if (count == 0) return {};
      if (count < 0) {
        if (errno == EINTR) continue;
        return error("cannot read");
      }
      for (ssize_t done = 0; done < count;) {
        const ssize_t written = ::pwrite(to_, buffer_.data() + done,
                                         static_cast<std::size_t>(count - done), begin + done);
        if (written < 0 && errno != EINTR) return error("cannot write");
        if (written > 0) done += written;
      }
      begin += count;
    }
    return {};
  }

  [[nodiscard]] Error error(std::string_view detail) const {
    return system_error(operation_, object_, errno, detail);
  }

  const int from_;
  const int to_;
  const std::string_view operation_;
  const std::string& object_;
  bool in_kernel_ = true;
  std::vector<char> buffer_;
};

}  // namespace

Status copy_data(int from, int to, std::uint64_t size, std::string_view operation,
                 const std::string& object) {
  if (size == 0) return {};
  if (::ioctl(to, FICLONE, from) == 0) return {};
  // Any refusal here means "not this way"; a full disk or a quota shows again below.
  const auto end = static_cast<off_t>(size);
  if (::ftruncate(to, end) != 0) return system_error(operation, object, errno, "cannot extend");
  DataCopy copy(from, to, operation, object);
  for (off_t at = 0; at < end;) {
    const off_t data = ::lseek(from, at, SEEK_DATA);
    if (data < 0) {
      if (errno == ENXIO) return {};  // only a hole is left
      return copy.range(at, end);     // the file system cannot tell holes
    }
    off_t hole = ::lseek(from, data, SEEK_HOLE);
    if (hole < 0 || hole > end) hole = end;
    TH_TRY(copy.range(data, hole));
    at = hole;
  }
  return {};
}

}  // namespace twinhull::linux_backend
