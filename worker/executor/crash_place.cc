#include "worker/executor/crash_place.h"

#include <cstdint>

#include "worker/executor/place.h"

namespace sluice::executor {
namespace {

// Text and numbers into a buffer, within a signal handler.
struct SafeText {
  char* text;
  std::size_t room, size = 0;
  void add(const char* part) {
    while (*part && size < room) text[size++] = *part++;
  }
  void add(std::uint64_t number) {
    char digits[21];
    int n = 0;
    do digits[n++] = char('0' + number % 10);
    while (number /= 10);
    while (n > 0 && size < room) text[size++] = digits[--n];
  }
};

}  // namespace

std::size_t describePlace(char* text, std::size_t room) {
  const Place& place = currentPlace();
  if (!place.in.name) return 0;
  SafeText to{text, room};
  to.add(place.in.name);
  if (place.in.site && *place.in.site) to.add(" at "), to.add(place.in.site);
  if (!place.task) return to.size;
  if (place.whenMs > 0) to.add(", batch "), to.add(std::uint64_t(place.whenMs)), to.add(" ms");
  if (place.whenMs < 0) to.add(", job "), to.add(std::uint64_t(-place.whenMs));
  to.add(", partition "), to.add(std::uint64_t(place.partition));
  return to.size;
}

}  // namespace sluice::executor
