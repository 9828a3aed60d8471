#include "backends/linux/errno_error.h"

#include <cerrno>
#include <system_error>

namespace twinhull::linux_backend {

ErrorCode code_of(int number) {
  switch (number) {
    case ENOENT:
    case ESRCH:
    case ENXIO:
    case ENODEV:
    case ENODATA: return ErrorCode::not_found;
    case EEXIST: return ErrorCode::exists;
    case EINVAL:
    case ERANGE:
    case ENAMETOOLONG:
    case EDOM:
    case EILSEQ:
    case E2BIG:
    case EFBIG: return ErrorCode::invalid_argument;
    case EPERM:
    case EACCES: return ErrorCode::not_permitted;
    case ENOSPC: return ErrorCode::no_space;
    case EDQUOT: return ErrorCode::quota_exceeded;
    case ENOMEM:
    case ENOBUFS: return ErrorCode::no_memory;
    case EAGAIN:
    case EMFILE:
    case ENFILE:
    case EMLINK:
    case EUSERS: return ErrorCode::limit_exceeded;
    case EBUSY:
    case ETXTBSY: return ErrorCode::busy;
    case ENOTEMPTY: return ErrorCode::not_empty;
    case ENOTDIR: return ErrorCode::not_directory;
    case EISDIR: return ErrorCode::is_directory;
    case ELOOP: return ErrorCode::too_many_links;
    case EROFS: return ErrorCode::read_only;
    case EXDEV: return ErrorCode::cross_device;
    case ETIMEDOUT:
    case ETIME: return ErrorCode::timed_out;
    case EINTR:
    case ECANCELED: return ErrorCode::interrupted;
    case ENOTSUP:
    case ENOSYS:
    case ENOTTY:
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT: return ErrorCode::not_supported;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ECONNREFUSED:
    case ENETDOWN:
    case EHOSTDOWN: return ErrorCode::unreachable;
    case EPIPE:
    case ECONNRESET:
    case ECONNABORTED:
    case ENOTCONN: return ErrorCode::connection_lost;
    case EUCLEAN:
    case EBADMSG: return ErrorCode::corrupt;
    case EPROTO: return ErrorCode::protocol;
    case EIO:
    case ESTALE: return ErrorCode::input_output;
    default: return ErrorCode::failed;
  }
}

std::string errno_text(int number) {
  return std::generic_category().message(number);
}

Error system_error(ErrorCode code, std::string_view operation, std::string_view object, int number,
                   std::string_view detail) {
  std::string text(detail);
  if (!text.empty()) text += ": ";
  text += errno_text(number);
  return fail(code, operation, object, text).with_errno(number);
}

Error system_error(std::string_view operation, std::string_view object, int number,
                   std::string_view detail) {
  return system_error(code_of(number), operation, object, number, detail);
}

}  // namespace twinhull::linux_backend
