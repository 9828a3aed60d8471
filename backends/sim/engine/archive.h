// Binary archives of a saved world: cereal over memory, bounded, so that garbage is refused.
#pragma once

#include <cereal/cereal.hpp>
#include <cereal/types/array.hpp>
#include <cereal/types/chrono.hpp>
#include <cereal/types/map.hpp>
#include <cereal/types/optional.hpp>
#include <cereal/types/set.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/utility.hpp>
#include <cereal/types/vector.hpp>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/links.h"
#include "runtime/kernel/units.h"

namespace twinhull::sim {

/// Saved content that makes no sense: thrown by loading code, caught by World::load only.
struct CorruptWorld : cereal::Exception {
  explicit CorruptWorld(const std::string& what) : cereal::Exception(what) {}
};

/// Throws CorruptWorld with `what` unless `condition` holds: for the checks of loading code.
inline void require_sane(bool condition, const char* what) {
  if (!condition) throw CorruptWorld(what);
}

/// Appends to a string. Little-endian machines only, as are all that we build for.
class SaveArchive : public cereal::OutputArchive<SaveArchive, cereal::AllowEmptyClassElision> {
 public:
  explicit SaveArchive(std::string& target)
      : cereal::OutputArchive<SaveArchive, cereal::AllowEmptyClassElision>(this), target_(target) {}
  void raw(const void* data, std::size_t size) {
    if (size != 0) target_.append(static_cast<const char*>(data), size);
  }

 private:
  std::string& target_;
};

/// Reads what SaveArchive wrote; never past the end, and no count larger than the rest.
class LoadArchive : public cereal::InputArchive<LoadArchive, cereal::AllowEmptyClassElision> {
 public:
  explicit LoadArchive(std::string_view source)
      : cereal::InputArchive<LoadArchive, cereal::AllowEmptyClassElision>(this), rest_(source) {}
  void raw(void* data, std::size_t size) {
    if (size == 0) return;  // an empty vector has no place to copy to
    if (size > rest_.size()) throw CorruptWorld("the file ends in the middle");
    std::memcpy(data, rest_.data(), size);
    rest_.remove_prefix(size);
  }
  [[nodiscard]] std::size_t remaining() const { return rest_.size(); }

 private:
  std::string_view rest_;
};

template <typename T>
  requires std::is_arithmetic_v<T>
void CEREAL_SAVE_FUNCTION_NAME(SaveArchive& archive, const T& value) {
  archive.raw(&value, sizeof value);
}
template <typename T>
  requires std::is_arithmetic_v<T>
void CEREAL_LOAD_FUNCTION_NAME(LoadArchive& archive, T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    std::uint8_t byte = 0;
    archive.raw(&byte, 1);
    require_sane(byte <= 1, "a truth value is neither 0 nor 1");
    value = byte == 1;
  } else {
    archive.raw(&value, sizeof value);
  }
}
template <typename T>
void CEREAL_SERIALIZE_FUNCTION_NAME(SaveArchive& archive, cereal::NameValuePair<T>& pair) {
  archive(pair.value);
}
template <typename T>
void CEREAL_SERIALIZE_FUNCTION_NAME(LoadArchive& archive, cereal::NameValuePair<T>& pair) {
  archive(pair.value);
}
template <typename T>
void CEREAL_SERIALIZE_FUNCTION_NAME(SaveArchive& archive, cereal::SizeTag<T>& tag) {
  archive(tag.size);
}
/// Every element takes at least one byte: a larger count is garbage.
template <typename T>
void CEREAL_SERIALIZE_FUNCTION_NAME(LoadArchive& archive, cereal::SizeTag<T>& tag) {
  archive(tag.size);
  require_sane(tag.size <= archive.remaining(), "a count is larger than the file");
}
template <typename T>
void CEREAL_SAVE_FUNCTION_NAME(SaveArchive& archive, const cereal::BinaryData<T>& data) {
  archive.raw(data.data, static_cast<std::size_t>(data.size));
}
template <typename T>
void CEREAL_LOAD_FUNCTION_NAME(LoadArchive& archive, cereal::BinaryData<T>& data) {
  archive.raw(data.data, static_cast<std::size_t>(data.size));
}

}  // namespace twinhull::sim

CEREAL_REGISTER_ARCHIVE(twinhull::sim::SaveArchive)
CEREAL_REGISTER_ARCHIVE(twinhull::sim::LoadArchive)
CEREAL_SETUP_ARCHIVE_TRAITS(twinhull::sim::LoadArchive, twinhull::sim::SaveArchive)

// Value types of the seam.
namespace twinhull::detail {
template <typename Archive, typename Tag>
void serialize(Archive& archive, Amount<Tag>& amount) {
  archive(amount.value);
}
}  // namespace twinhull::detail

namespace twinhull {
template <typename Archive>
void serialize(Archive& archive, ProcessRef& ref) {
  archive(ref.pid, ref.generation);
}
template <typename Archive>
void serialize(Archive& archive, ExitStatus& status) {
  archive(status.signaled, status.value);
}
template <typename Archive>
void serialize(Archive& archive, EnvironmentVariable& variable) {
  archive(variable.name, variable.value);
}
template <typename Archive>
void serialize(Archive& archive, CpuSet& set) {
  archive(set.cpus);
}
template <typename Archive>
void serialize(Archive& archive, CgroupPath& path) {
  archive(path.text);
}
template <typename Archive>
void serialize(Archive& archive, IpAddress& address) {
  archive(address.family, cereal::binary_data(address.bytes, sizeof address.bytes));
}
template <typename Archive>
void serialize(Archive& archive, IpPrefix& prefix) {
  archive(prefix.address, prefix.length);
}
template <typename Archive>
void serialize(Archive& archive, LinkCounters& counters) {
  archive(counters.received, counters.sent, counters.packets_received, counters.packets_sent,
          counters.dropped);
}
template <typename Archive>
void serialize(Archive& archive, Route& route) {
  archive(route.destination, route.device, route.gateway);
}
}  // namespace twinhull
