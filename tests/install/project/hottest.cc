#include "hottest.h"

#include <charconv>

namespace {

std::optional<std::pair<std::string_view, double>> parse(std::string_view line) {
  std::size_t space = line.find(' ');
  double degrees = 0;
  if (space == line.npos || std::from_chars(line.data() + space + 1, line.data() + line.size(), degrees).ec != std::errc()) return std::nullopt;
  return std::pair(line.substr(0, space), degrees);
}

}  // namespace

sluice::DStream<Reading> hottest(const sluice::DStream<std::string_view>& lines) {
  return lines.flatMap(parse)
      .reduceByKey([](double a, double b) { return a < b ? b : a; })
      .map([](const std::pair<std::string, double>& hot) { return Reading{hot.first, hot.second}; });
}
