// Rows of every built-in type and of structs: hostile bytes end in Error(kLost), and what was read is written again as it would be read.
#include <deque>
#include <list>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "sluice/codec.h"
#include "sluice/hash.h"
#include "sluice/print.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace sluice;  // NOLINT

enum class Colour : std::uint8_t { kRed, kGreen };
struct Empty {
  SLUICE_FIELDS(Empty)
};
struct Reading {
  std::string sensor;
  double value = 0;
  std::vector<int> marks;
  std::optional<Colour> colour;
  SLUICE_FIELDS(Reading, sensor, value, marks, colour)
};
struct Tree {  // holds itself
  int value = 0;
  std::vector<Tree> children;
  SLUICE_FIELDS(Tree, value, children)
};
struct Arrays {
  int numbers[3] = {};
  std::string words[2];
  std::array<bool, 4> flags{};
  SLUICE_FIELDS(Arrays, numbers, words, flags)
};

// Hashed containers are written in whatever order they have.
template <class T> bool sameBits(const T& a, const T& b) {
  if constexpr (requires { typename T::hasher; }) return a == b;
  else return encoded(a) == encoded(b);
}

template <class T> void decodeAs(std::string_view bytes) {
  RowReader in{bytes.data(), bytes.data() + bytes.size()};
  try {
    T value = Codec<T>::get(in);
    fuzz::require(in.at >= bytes.data() && in.at <= bytes.data() + bytes.size(), "a row ends within its bytes");
    std::string row = encoded(value);
    fuzz::require(row.size() <= Codec<T>::bound(value), "bound() is an upper bound");
    T again = decoded<T>(row);
    fuzz::require(sameBits(value, again), "what is written is read back");
    if constexpr (kKeyable<T>) {
      Buffer key;
      char* at = key.reserve(Codec<T>::bound(value));
      char* end = Codec<T>::template put<true>(value, at);
      fuzz::require(std::size_t(end - at) <= Codec<T>::bound(value), "a key is within bound() too");
      fuzz::require(keyHash(value) == keyHash(again), "equal keys have equal hashes");
    }
    Buffer text;
    print(value, text);
  } catch (const Error& error) {
    fuzz::require(error.kind() == ErrorKind::kLost, "damaged rows are told as lost");
  }
}

template <class... T> void decodeOneOf(std::size_t which, std::string_view bytes) {
  std::size_t i = 0;
  ((which == i++ ? decodeAs<T>(bytes) : void()), ...);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  decodeOneOf<bool, char, std::int8_t, std::uint16_t, int, std::uint64_t, float, double, Colour, Unit, Time, std::string, std::string_view,
              std::pair<std::string, long>, std::pair<std::string_view, std::pair<int, double>>, std::tuple<>, std::tuple<int, std::string, bool>,
              std::optional<std::string>, std::optional<std::optional<bool>>, std::variant<int, std::string, std::monostate>,
              std::array<std::string, 3>, std::vector<int>, std::vector<bool>, std::vector<std::string>, std::vector<Unit>, std::vector<Empty>,
              std::vector<std::vector<std::vector<char>>>, std::deque<double>, std::list<std::string_view>, std::set<std::string>,
              std::multiset<int>, std::map<std::string, std::vector<int>>, std::multimap<int, Unit>, std::unordered_map<std::string, int>,
              std::unordered_set<long>, Empty, Reading, std::vector<Reading>, Tree, Arrays, std::map<Colour, std::optional<Tree>>,
              std::variant<Reading, Tree>>(data[0] % 42, bytes);
  return 0;
}
