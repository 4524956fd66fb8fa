// Numbers and durations as Java prints them.
#include "sluice/print.h"

#include <charconv>
#include <cmath>
#include <cstdio>

namespace sluice {
inline namespace SLUICE_ABI {
namespace {

template <class Int> void printInt(Int x, Buffer& out) {
  char text[24];
  auto end = std::to_chars(text, text + sizeof text, x).ptr;
  out.append(text, std::size_t(end - text));
}

// Java: plain digits from 1e-3 up to 1e7, else d.dddE±n without a plus sign; always a digit after the point.
template <class Real> void printReal(Real x, Buffer& out) {
  if (std::isnan(x)) return out.append("NaN");
  if (std::isinf(x)) return out.append(x < 0 ? "-Infinity" : "Infinity");
  char text[64];
  Real size = std::fabs(x);
  bool plain = size == 0 || (size >= Real(1e-3) && size < Real(1e7));
  auto end = std::to_chars(text, text + sizeof text, x, plain ? std::chars_format::fixed : std::chars_format::scientific).ptr;
  std::string_view all(text, std::size_t(end - text));
  std::string_view digits = all.substr(0, all.find('e'));
  out.append(digits);
  if (digits.find('.') == std::string_view::npos) out.append(".0");
  if (digits.size() == all.size()) return;
  std::string_view power = all.substr(digits.size() + 1);
  out.push('E');
  if (power[0] == '-') out.push('-');
  if (power[0] == '-' || power[0] == '+') power.remove_prefix(1);
  while (power.size() > 1 && power[0] == '0') power.remove_prefix(1);
  out.append(power);
}

}  // namespace

std::string Duration::prettyPrint() const {
  if (ms_ < 1000) return toString();
  char text[48];
  if (ms_ < 60'000) std::snprintf(text, sizeof text, "%.1f s", double(ms_) / 1000);
  else if (ms_ < 3'600'000) std::snprintf(text, sizeof text, "%.1f m", double(ms_) / 60'000);
  else std::snprintf(text, sizeof text, "%.2f h", double(ms_) / 3'600'000);
  return text;
}

void printNumber(std::int64_t x, Buffer& out) { printInt(x, out); }
void printNumber(std::uint64_t x, Buffer& out) { printInt(x, out); }
void printNumber(float x, Buffer& out) { printReal(x, out); }
void printNumber(double x, Buffer& out) { printReal(x, out); }

}  // inline namespace SLUICE_ABI
}  // namespace sluice
