// The raw kernel interface under the control groups: files of the hierarchies and little else.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/linux/cgroup/block_device.h"
#include "runtime/kernel/units.h"

namespace twinhull::linux_backend {

/// One instruction of a BPF program, laid out as the kernel's struct bpf_insn.
struct BpfInstruction {
  std::uint8_t code = 0;
  std::uint8_t registers = 0;  ///< destination in the low four bits, source in the high four
  std::int16_t offset = 0;
  std::int32_t immediate = 0;
  bool operator==(const BpfInstruction&) const = default;
};

/// What the drivers need of the kernel. Thin on purpose: with a tree in memory behind it, the
/// mapping of values to files and their order is tested without root. Paths are absolute.
/// Errors are errno values; 0 is success.
class CgroupTree {
 public:
  virtual ~CgroupTree() = default;
  /// Whole content of a control file.
  virtual std::expected<std::string, int> read(const std::string& path) = 0;
  /// One write(2) of `text` to an existing control file.
  virtual int write(const std::string& path, std::string_view text) = 0;
  virtual int make_directory(const std::string& path) = 0;
  virtual int remove_directory(const std::string& path) = 0;
  /// Names of the directories in `path`, sorted.
  virtual std::expected<std::vector<std::string>, int> directories(const std::string& path) = 0;
  virtual bool exists(const std::string& path) = 0;
  /// Marks a group as made by the node (an extended attribute that programs in containers cannot
  /// set), and tells whether one is marked.
  virtual int mark(const std::string& path) = 0;
  virtual bool marked(const std::string& path) = 0;
  /// Puts `program` in place of the device programs that the node attached to a v2 group before.
  virtual int replace_device_program(const std::string& path,
                                     const std::vector<BpfInstruction>& program) = 0;
  /// SIGKILL to one process; ESRCH when it is gone.
  virtual int kill(std::int32_t pid) = 0;
  /// Start time of a process in clock ticks; std::nullopt when it is gone or a zombie.
  virtual std::optional<std::uint64_t> start_time(std::int32_t pid) = 0;
  /// find_disk() of block_device.h.
  virtual Result<BlockDevice> disk_of(const std::string& path, std::string_view operation) = 0;
  /// Waits before something is tried again.
  virtual void pause(Duration length) = 0;
};

/// The tree of the machine.
std::unique_ptr<CgroupTree> make_posix_tree();

}  // namespace twinhull::linux_backend
