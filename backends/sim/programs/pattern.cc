#include "backends/sim/programs/pattern.h"

#include <algorithm>
#include <map>

namespace twinhull::sim {
namespace {

/// Matches one letter against the bracket expression at `pattern[at]` ('['); `end` = behind it.
/// std::nullopt when the bracket is not closed.
std::optional<bool> match_bracket(std::string_view pattern, std::size_t at, char letter,
                                  std::size_t& end) {
  std::size_t i = at + 1;
  bool negated = false, found = false;
  if (i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^')) {
    negated = true;
    ++i;
  }
  const std::size_t first = i;
  for (; i < pattern.size() && (pattern[i] != ']' || i == first); ++i) {
    char low = pattern[i];
    if (low == '\\' && i + 1 < pattern.size()) low = pattern[++i];
    char high = low;
    if (i + 2 < pattern.size() && pattern[i + 1] == '-' && pattern[i + 2] != ']') {
      high = pattern[i + 2];
      i += 2;
    }
    const auto code = [](char c) { return static_cast<unsigned char>(c); };
    if (code(low) <= code(letter) && code(letter) <= code(high)) found = true;
  }
  if (i >= pattern.size()) return std::nullopt;
  end = i + 1;
  return found != negated;
}

}  // namespace

bool glob_match(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0;
  constexpr std::size_t kNone = ~std::size_t{0};
  std::size_t star = kNone, star_text = 0;
  while (t < text.size()) {
    bool fits = false;
    std::size_t next = p;
    if (p < pattern.size()) {
      if (pattern[p] == '*') {
        star = p++;
        star_text = t;
        continue;
      }
      if (pattern[p] == '?') {
        fits = true;
        next = p + 1;
      } else if (pattern[p] == '[') {
        if (const auto inside = match_bracket(pattern, p, text[t], next)) {
          fits = *inside;
        } else {
          fits = text[t] == '[';
          next = p + 1;
        }
      } else {
        if (pattern[p] == '\\' && p + 1 < pattern.size()) ++p;
        fits = pattern[p] == text[t];
        next = p + 1;
      }
    }
    if (fits) {
      p = next;
      ++t;
    } else if (star != kNone) {
      p = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool has_glob(std::string_view pattern) {
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '\\') {
      ++i;
    } else if (pattern[i] == '*' || pattern[i] == '?' || pattern[i] == '[') {
      return true;
    }
  }
  return false;
}

std::optional<Regex> Regex::parse(std::string_view text, bool extended) {
  Regex regex;
  regex.branches_.emplace_back();
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto& atoms = regex.branches_.back();
    char c = text[i];
    bool special = true;
    if (c == '\\' && i + 1 < text.size()) {
      c = text[++i];
      special = !extended && (c == '(' || c == ')' || c == '+' || c == '?' || c == '|');
      if (!special && c == 'n') c = '\n';
      if (!special && c == 't') c = '\t';
    } else if (!extended && (c == '(' || c == ')' || c == '+' || c == '?' || c == '|')) {
      special = false;
    }
    Atom atom;
    atom.letter = c;
    if (special) {
      switch (c) {
        case '.': atom.kind = Atom::Kind::any; break;
        case '^':
          if (atoms.empty() || extended) atom.kind = Atom::Kind::begin;
          break;
        case '$':
          if (i + 1 == text.size() || extended) atom.kind = Atom::Kind::end;
          break;
        case '|':
          if (!open.empty()) return std::nullopt;
          regex.branches_.emplace_back();
          continue;
        case '(':
          if (regex.groups_ > 9) return std::nullopt;
          atom.kind = Atom::Kind::open;
          atom.group = regex.groups_++;
          open.push_back(atom.group);
          break;
        case ')':
          if (open.empty()) return std::nullopt;
          atom.kind = Atom::Kind::close;
          atom.group = open.back();
          open.pop_back();
          break;
        case '[': {
          const std::size_t begin = i;
          std::size_t end = 0;
          if (!match_bracket(text, begin, 'x', end)) return std::nullopt;
          atom.kind = Atom::Kind::set;
          atom.set = std::string(text.substr(begin, end - begin));
          i = end - 1;
          break;
        }
        case '*':
        case '+':
        case '?': {
          if (atoms.empty()) {
            if (extended) return std::nullopt;
            break;  // a leading star is a letter
          }
          Atom& last = atoms.back();
          if (last.kind != Atom::Kind::literal && last.kind != Atom::Kind::any &&
              last.kind != Atom::Kind::set) {
            return std::nullopt;  // repeated groups are not modelled
          }
          if (c != '+') last.least = 0;
          if (c != '?') last.most = ~std::size_t{0};
          continue;
        }
        default: break;
      }
    }
    atoms.push_back(std::move(atom));
    if (atoms.size() > 1000) return std::nullopt;
  }
  if (!open.empty()) return std::nullopt;
  return regex;
}

struct Regex::State {
  std::string_view text;
  std::size_t steps = 0;
  std::size_t end = 0;
  std::map<std::size_t, std::pair<std::size_t, std::size_t>> groups;
  static constexpr std::size_t kMost = 200'000;
};

bool Regex::run(const std::vector<Atom>& atoms, std::size_t index, std::size_t at,
                State& state) const {
  for (; index < atoms.size(); ++index) {
    if (++state.steps > State::kMost) return false;
    const Atom& atom = atoms[index];
    if (atom.kind == Atom::Kind::begin) {
      if (at != 0) return false;
      continue;
    }
    if (atom.kind == Atom::Kind::end) {
      if (at != state.text.size()) return false;
      continue;
    }
    if (atom.kind == Atom::Kind::open) {
      state.groups[atom.group].first = at;
      continue;
    }
    if (atom.kind == Atom::Kind::close) {
      state.groups[atom.group].second = at;
      continue;
    }
    const auto fits = [&](char letter) {
      if (atom.kind == Atom::Kind::any) return true;
      if (atom.kind == Atom::Kind::literal) return letter == atom.letter;
      std::size_t end = 0;
      return match_bracket(atom.set, 0, letter, end).value_or(false);
    };
    std::size_t count = 0;
    while (count < atom.most && at + count < state.text.size() && fits(state.text[at + count])) {
      ++count;
      if (++state.steps > State::kMost) return false;
    }
    if (count < atom.least) return false;
    if (count == atom.least) {
      at += count;
      continue;
    }
    // Longest first; depth is bounded by the number of atoms (≤ 1000).
    for (;; --count) {
      if (run(atoms, index + 1, at + count, state)) return true;
      if (count == atom.least || state.steps > State::kMost) return false;
    }
  }
  state.end = at;
  return true;
}

std::optional<Regex::Match> Regex::find(std::string_view text, std::size_t from) const {
  State state;
  state.text = text;
  for (std::size_t begin = from; begin <= text.size(); ++begin) {
    for (const auto& atoms : branches_) {
      state.groups.clear();
      if (!run(atoms, 0, begin, state)) continue;
      Match match{begin, state.end, {}};
      match.groups.resize(groups_);
      match.groups[0] = std::string(text.substr(begin, state.end - begin));
      for (const auto& [group, range] : state.groups) {
        if (range.second >= range.first) {
          match.groups[group] = std::string(text.substr(range.first, range.second - range.first));
        }
      }
      return match;
    }
    if (state.steps > State::kMost) return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace twinhull::sim
