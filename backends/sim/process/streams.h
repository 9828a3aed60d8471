// Standard streams of simulated programs.
#pragma once

#include <cereal/types/memory.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "backends/sim/engine/archive.h"

namespace twinhull::sim {

/// Text that a program wrote and somebody collects.
struct OutputBuffer {
  static constexpr std::size_t kMost = std::size_t{16} << 20;
  std::string text;
  bool closed = false;  ///< nobody reads it any more: what comes is dropped
  bool cut = false;     ///< more came than is kept
  void append(std::string_view more) {
    if (closed) return;
    const std::size_t room = kMost - text.size();
    cut = cut || more.size() > room;
    text.append(more.substr(0, room));
  }
  template <typename Archive>
  void serialize(Archive& archive) {
    archive(text, closed, cut);
  }
};

/// Input that is there as a whole; readers share the position.
struct InputText {
  std::string text;
  std::size_t offset = 0;
  template <typename Archive>
  void serialize(Archive& archive) {
    archive(text, offset);
    if (offset > text.size()) throw CorruptWorld("an input is read beyond its end");
  }
};

/// Where output goes.
struct OutputStream {
  enum class Kind : std::uint8_t { null, buffer, file, closed };
  Kind kind = Kind::null;
  std::shared_ptr<OutputBuffer> buffer;
  std::string path;  ///< absolute, inside the process's root; written by appending
  template <typename Archive>
  void serialize(Archive& archive) {
    archive(kind, buffer, path);
    if (kind > Kind::closed || (kind == Kind::buffer && !buffer)) {
      throw CorruptWorld("an output stream leads nowhere");
    }
  }
};

struct ProcessStreams {
  std::shared_ptr<InputText> in;  ///< null = at its end
  OutputStream out, err;
  template <typename Archive>
  void serialize(Archive& archive) {
    archive(in, out, err);
  }
};

}  // namespace twinhull::sim
