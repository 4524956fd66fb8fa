// What tests of batch jobs share: the shapes, small data, and the text of an error.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "sluice/testing.h"

namespace sluice::testing {

inline void everywhere(const std::function<void(const Context&)>& body) {
  if (TablesTogether* together = TablesTogether::current()) return body(together->cluster().context());
  for (Shape shape : {Shape::kLocal1, Shape::kLocal4, Shape::kSimulated, Shape::kInProcess}) {
    SCOPED_TRACE(nameOf(shape));
    Cluster cluster(shape);
    body(cluster.context());
  }
}

template <class T> std::vector<T> sorted(std::vector<T> values) {
  std::sort(values.begin(), values.end());
  return values;
}

inline std::vector<int> upTo(int n) {
  std::vector<int> values(static_cast<std::size_t>(n));
  std::iota(values.begin(), values.end(), 0);
  return values;
}

// What the call throws; "nothing was thrown" if nothing.
template <class Call> std::pair<ErrorKind, std::string> thrownBy(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return {error.kind(), error.what()};
  }
  return {ErrorKind::kInvalidArgument, "nothing was thrown"};
}

// What the call throws, without "method at file:line: " before it and a job's "(at or after …)" behind it; "" if nothing.
template <class Call> std::string adviceOf(Call&& call) {
  try {
    call();
    return "";
  } catch (const Error& error) {
    std::string text = error.what();
    if (auto site = text.find(" at "); site != std::string::npos && text.find(".cc:", site) != std::string::npos) {
      auto colon = text.find(": ", text.find(".cc:", site));
      if (colon != std::string::npos) text.erase(0, colon + 2);
    }
    if (auto at = text.find(" (at or after "); at != std::string::npos) text.erase(at);
    return text;
  }
}

// Expects that the statement throws an Error whose message contains the text.
#define EXPECT_SAYS(text, ...)                                                    \
  do {                                                                            \
    std::string said = sluice::testing::errorOf([&] { (void)(__VA_ARGS__); });    \
    EXPECT_NE(said.find(text), std::string::npos) << "it said: '" << said << "'"; \
  } while (false)

}  // namespace sluice::testing
