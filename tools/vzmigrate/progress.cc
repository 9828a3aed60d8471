#include "tools/vzmigrate/progress.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/vzmigrate/results.h"

namespace twinhull::tools::move {
namespace {

constexpr Duration kWindow = seconds(5);
constexpr Duration kShortest = milliseconds(500);
/// What every terminal shows in one line.
constexpr std::size_t kWidth = 79;

std::string left_text(std::uint64_t length) {
  if (length >= 3600)
    return fmt::format("{}:{:02}:{:02} left", length / 3600, length / 60 % 60, length % 60);
  return fmt::format("{}:{:02} left", length / 60, length % 60);
}

}  // namespace

void Progress::begin(const Report& report, Instant now) {
  if (!report.stage) return;
  stage_ = *report.stage;
  expected_ = report.expected;
  before_ = sent_.value_or(Bytes{});
  samples_.clear();
  if (sent_) samples_.emplace_back(now, *sent_);
}

void Progress::count(std::optional<Bytes> sent, Instant now) {
  sent_ = sent;
  if (!sent) return;
  samples_.emplace_back(now, *sent);
  while (samples_.size() > 2 && now - samples_.front().first > kWindow) samples_.pop_front();
}

std::optional<std::uint64_t> Progress::bytes_a_second() const {
  if (samples_.size() < 2) return std::nullopt;
  const Duration length = samples_.back().first - samples_.front().first;
  if (length < kShortest) return std::nullopt;
  const std::uint64_t sent = samples_.back().second.value - samples_.front().second.value;
  return sent * 1000 / static_cast<std::uint64_t>(length / milliseconds(1));
}

std::string Progress::line() const {
  std::string text = fmt::format("CT {:<8} {:<12}", container_, migrate::to_string(stage_));
  const std::uint64_t done = sent_ ? sent_->value - std::min(sent_->value, before_.value) : 0;
  if (sent_ && expected_.value != 0) {
    // What is sent is more than the files by what is said about them: it is never done before its
    // end.
    const std::uint64_t percent =
        std::min<std::uint64_t>(99, done / std::max<std::uint64_t>(expected_.value / 100, 1));
    text += fmt::format(" {:>3} %  {} of {}", percent, bytes_text({done}), bytes_text(expected_));
  } else if (sent_ && done != 0) {
    text += "  " + bytes_text({done});
  }
  if (const auto rate = bytes_a_second(); rate && *rate != 0) {
    text += fmt::format("  {}/s", bytes_text({*rate}));
    if (expected_.value > done) text += "  " + left_text((expected_.value - done) / *rate);
  }
  while (text.ends_with(' ')) text.pop_back();
  return text.substr(0, kWidth);
}

}  // namespace twinhull::tools::move
