// Rows go out and come back the same; bytes that are no rows end in an error.
#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <random>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "sluice/codec.h"
#include "sluice/typed.h"

namespace other {
struct Foreign {
  int a = 0;
  double b = 0;
  bool operator==(const Foreign&) const = default;
};
SLUICE_FIELDS_OF(Foreign, a, b)
struct Nothing {
  bool operator==(const Nothing&) const = default;
};
SLUICE_FIELDS_OF(Nothing)
}  // namespace other

namespace sluice {
namespace {

enum class Colour : std::uint8_t { kRed, kGreen };

class Reading {
 public:
  Reading() = default;
  Reading(std::string sensor, double value) : sensor_(std::move(sensor)), value_(value) {}
  bool operator==(const Reading&) const = default;

 private:
  std::string sensor_;
  double value_ = 0;
  SLUICE_FIELDS(Reading, sensor_, value_)
};

struct Tree {
  std::string name;
  std::vector<Tree> children;
  bool operator==(const Tree&) const = default;
  SLUICE_FIELDS(Tree, name, children)
};

struct WithArray {
  int three[3] = {};
  std::array<short, 2> two{};
  std::optional<std::string> maybe;
  std::variant<int, std::string> either;
  bool operator==(const WithArray&) const = default;
  SLUICE_FIELDS(WithArray, three, two, maybe, either)
};

struct Empty {
  bool operator==(const Empty&) const = default;
  SLUICE_FIELDS(Empty)
};

// 40 fields: the macros have no small limit.
struct Wide {
  int a0 = 0, a1 = 1, a2 = 2, a3 = 3, a4 = 4, a5 = 5, a6 = 6, a7 = 7, a8 = 8, a9 = 9, b0 = 0, b1 = 1, b2 = 2, b3 = 3, b4 = 4, b5 = 5, b6 = 6, b7 = 7, b8 = 8, b9 = 9,
      c0 = 0, c1 = 1, c2 = 2, c3 = 3, c4 = 4, c5 = 5, c6 = 6, c7 = 7, c8 = 8, c9 = 9, d0 = 0, d1 = 1, d2 = 2, d3 = 3, d4 = 4, d5 = 5, d6 = 6, d7 = 7, d8 = 8, d9 = 9;
  bool operator==(const Wide&) const = default;
  SLUICE_FIELDS(Wide, a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, d0, d1, d2, d3, d4, d5,
                d6, d7, d8, d9)
};

static_assert(std::is_aggregate_v<Tree> && std::is_aggregate_v<WithArray> && detail::listsAllFields<Tree>() && detail::listsAllFields<WithArray>());

struct Forgetful {
  int a = 0;
  std::string b;
  std::optional<int> c;
  SLUICE_FIELDS(Forgetful, a, b)
};
static_assert(!detail::listsAllFields<Forgetful>());
struct ForgetsVariant {
  std::variant<int, std::string> a;
  std::vector<int> b;
  SLUICE_FIELDS(ForgetsVariant, a)
};
static_assert(!detail::listsAllFields<ForgetsVariant>());

template <class T> class Rows : public ::testing::Test {};

template <class T> void expectSame(const T& x) {
  std::string row = encoded(x);
  EXPECT_EQ(decoded<T>(row), x);
  EXPECT_LE(row.size(), Codec<T>::bound(x));
  EXPECT_GE(row.size(), Codec<T>::kLeast);
  // Every cut of the row is refused.
  for (std::size_t n = 0; n < row.size(); ++n) {
    std::vector<char> exact(row.begin(), row.begin() + n);
    try {
      decoded<T>(std::string_view(exact.data(), exact.size()));
      ADD_FAILURE() << "accepted " << n << " of " << row.size() << " bytes of " << typeDesc<T>()->name;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kLost);
    }
  }
}

TEST(Codec, RoundTrips) {
  expectSame(true);
  expectSame('x');
  expectSame(std::int64_t(-1) << 63);
  expectSame(3.5f);
  expectSame(Colour::kGreen);
  expectSame(std::string());
  expectSame(std::string(300, 'a'));
  expectSame(std::pair(std::string("hello"), 3L));
  expectSame(std::tuple(1, std::string("x"), 2.5, Unit()));
  expectSame(std::optional<std::string>("x"));
  expectSame(std::optional<std::string>());
  expectSame(std::variant<int, std::string, std::monostate>("x"));
  expectSame(std::variant<int, std::string, std::monostate>(std::monostate()));
  expectSame(std::array<std::string, 3>{"a", "", "c"});
  expectSame(std::vector<int>{1, 2, 3});
  expectSame(std::vector<bool>{true, false, true});
  expectSame(std::vector<std::vector<std::string>>{{}, {"a", "b"}});
  expectSame(std::vector<Unit>(5));
  expectSame(std::vector<std::pair<Unit, Unit>>(5));
  expectSame(std::vector<Empty>(3));
  expectSame(std::vector<other::Nothing>(3));
  expectSame(std::map<std::string, int>{{"a", 1}, {"b", 2}});
  expectSame(std::multimap<int, Unit>{{1, {}}, {1, {}}});
  expectSame(std::unordered_map<std::string, std::vector<int>>{{"a", {1}}, {"b", {}}});
  expectSame(std::set<std::pair<int, std::string>>{{1, "x"}});
  expectSame(std::unordered_set<int>{1, 2, 3});
  expectSame(std::deque<std::string>{"a", "b"});
  expectSame(std::list<int>{1, 2});
  expectSame(Reading("s", 1.5));
  expectSame(Tree{"root", {{"a", {}}, {"b", {{"c", {}}}}}});
  expectSame(WithArray{{1, 2, 3}, {4, 5}, "six", "seven"});
  expectSame(other::Foreign{1, 2.5});
  Wide wide;
  wide.d9 = 77;
  expectSame(wide);
  expectSame(Time(123));
  expectSame(Seconds(5));
  EXPECT_EQ(encoded(std::vector<Unit>(5)).size(), 6u);
}

TEST(Codec, KeepsMinusZeroAndNan) {
  EXPECT_TRUE(std::signbit(decoded<double>(encoded(-0.0))));
  EXPECT_TRUE(std::isnan(decoded<double>(encoded(std::nan("1")))));
}

struct Fixed {
  std::int16_t a = 0x0102;
  std::string b = "xyz";
  std::vector<std::uint8_t> c = {9, 8};
  std::optional<bool> d = true;
  SLUICE_FIELDS(Fixed, a, b, c, d)
};
// Blocks and checkpoints hold rows: this layout is frozen.
TEST(Codec, Golden) {
  EXPECT_EQ(encoded(Fixed()), std::string("\x02\x01\x03xyz\x02\x09\x08\x01\x01", 11));
  EXPECT_EQ(encoded(std::pair(std::string(200, 'a'), 1)).substr(0, 2), "\xc8\x01");
  EXPECT_EQ(encoded(std::map<std::string, std::int8_t>{{"k", 5}}), "\x01\x01k\x05");
  EXPECT_EQ(encoded(std::variant<int, std::string>("v")), "\x01\x01v");
}

TEST(Codec, ViewsPointIntoTheRows) {
  std::string row = encoded(std::pair(std::string("hello"), 1));
  auto record = decoded<std::pair<std::string_view, int>>(row);
  EXPECT_EQ(record.first, "hello");
  EXPECT_EQ(record.first.data(), row.data() + 1);
}

TEST(Codec, HugeLengthsAreRefusedWithoutAllocating) {
  std::string huge = "\xff\xff\xff\xff\xff\xff\xff\xff\x7f";
  EXPECT_THROW(decoded<std::string>(huge), Error);
  EXPECT_THROW(decoded<std::vector<std::int64_t>>(huge), Error);
  EXPECT_THROW(decoded<std::vector<std::string>>(huge), Error);
  EXPECT_THROW(decoded<std::vector<Unit>>(huge), Error);
  EXPECT_THROW((decoded<std::vector<std::pair<Unit, Unit>>>(huge)), Error);
  EXPECT_THROW(decoded<std::vector<Empty>>(huge), Error);
  EXPECT_THROW((decoded<std::map<int, int>>(huge)), Error);
  EXPECT_THROW(decoded<std::string>(std::string(20, '\xff')), Error);
  EXPECT_THROW(decoded<bool>("\x02"), Error);
  EXPECT_THROW((decoded<std::variant<int, bool>>("\x02....")), Error);
  EXPECT_THROW(decoded<int>("12345"), Error);  // bytes left over
}

TEST(Codec, DeepBytesDoNotExhaustTheStack) {
  std::string bytes;
  for (int i = 0; i < 1'000'000; ++i) bytes.append("\0\1", 2);  // an empty name, one child, …
  EXPECT_THROW(decoded<Tree>(bytes), Error);
}

// Random bytes and flipped rows: a value or an Error, never anything else (ASan and UBSan watch).
template <class T> void decodeRandom(const T& sample, std::mt19937_64& random) {
  std::string row = encoded(sample);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes = row;
    if (round % 2 == 0) {
      bytes.resize(random() % 40);
      for (char& c : bytes) c = char(random() % 3 ? random() % 8 : random());
    } else {
      for (int flips = int(random() % 3) + 1; flips > 0 && !bytes.empty(); --flips) bytes[random() % bytes.size()] ^= char(1 << random() % 8);
    }
    std::vector<char> exact(bytes.begin(), bytes.end());
    try {
      T value = decoded<T>(std::string_view(exact.data(), exact.size()));
      EXPECT_EQ(encoded(decoded<T>(encoded(value))), encoded(value));
    } catch (const Error&) {
    }
  }
}
TEST(Codec, RandomBytes) {
  auto seed = std::random_device()();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  decodeRandom(std::string("hello world"), random);
  decodeRandom(std::vector<std::pair<std::string, std::optional<int>>>{{"a", 1}, {"b", {}}}, random);
  decodeRandom(std::map<std::string, std::vector<bool>>{{"a", {true}}, {"b", {false, true}}}, random);
  decodeRandom(Tree{"root", {{"a", {}}, {"b", {{"c", {}}}}}}, random);
  decodeRandom(std::variant<int, std::string, std::monostate, std::vector<Unit>>(std::vector<Unit>(3)), random);
  decodeRandom(std::tuple(Unit(), Colour::kRed, true, std::array<bool, 3>{}), random);
  decodeRandom(WithArray{{1, 2, 3}, {4, 5}, "six", "seven"}, random);
  decodeRandom(std::set<std::string>{"a", "b"}, random);
}

TEST(TypeDesc, EncodesChunks) {
  using Record = std::pair<std::string, std::int64_t>;
  const TypeDesc* desc = typeDesc<Record>();
  EXPECT_STREQ(desc->name, "pair<string,long>");
  EXPECT_EQ(desc->flags, std::uint32_t(TypeDesc::kKeyed));
  std::vector<Record> records;
  for (int i = 0; i < 50; ++i) records.emplace_back(std::string(i % 30, 'a' + i % 26), i);
  Buffer rows;
  desc->encode(records.data(), records.size(), rows);

  const TypeDesc* views = typeDesc<std::pair<std::string_view, std::int64_t>>();
  EXPECT_TRUE(views->flags & TypeDesc::kViews);
  std::vector<std::pair<std::string_view, std::int64_t>> read(50);
  const char* at = views->decode(rows.data(), rows.data() + rows.size(), read.data(), 20);
  at = views->decode(at, rows.data() + rows.size(), read.data() + 20, 30);
  EXPECT_EQ(at, rows.data() + rows.size());
  for (int i = 0; i < 50; ++i) EXPECT_EQ(read[i].first, records[i].first);
  EXPECT_THROW(views->decode(at, at, read.data(), 1), Error);

  std::vector<std::uint64_t> hashes(50), viewHashes(50);
  desc->keyHash(records.data(), 50, hashes.data());
  views->keyHash(read.data(), 50, viewHashes.data());
  EXPECT_EQ(hashes, viewHashes);
  EXPECT_EQ(hashes[7], hashBytes(records[7].first.data(), 7));

  std::vector<std::uint32_t> to(50);
  for (int i = 0; i < 50; ++i) to[i] = i % 3;
  Buffer outs[3];
  std::uint64_t counts[3] = {};
  desc->scatter(records.data(), 50, to.data(), outs, counts);
  EXPECT_EQ(counts[0], 17u);
  EXPECT_EQ(outs[0].size() + outs[1].size() + outs[2].size(), rows.size());

  // An error in the middle leaves nothing constructed (ASan sees a leak).
  alignas(Record) char space[50 * sizeof(Record)];
  EXPECT_THROW(desc->decode(rows.data(), rows.data() + rows.size() - 1, space, 50), Error);
  desc->copy(space, records.data(), 50);
  desc->destroy(space, 50);
}

TEST(TypeDesc, SaysWhatATypeCannot) {
  EXPECT_EQ(typeDesc<std::function<int()>>()->encode, nullptr);
  EXPECT_EQ((typeDesc<std::unordered_map<int, int>>()->keyHash), nullptr);
  EXPECT_NE((typeDesc<std::pair<int, std::unordered_map<int, int>>>()->keyHash), nullptr);
  EXPECT_STREQ(typeDesc<std::vector<std::string_view>>()->name, "vector<string_view>");
  EXPECT_NE(typeDesc<Tree>()->keyHash, nullptr);
}

TEST(Codec, StructsInsideFunctions) {
  struct Local {
    int a = 0;
    std::string b;
    SLUICE_FIELDS(Local, a, b)
  };
  EXPECT_EQ(decoded<Local>(encoded(Local{3, "x"})).b, "x");
  EXPECT_STREQ(fieldNames<Local>(), "a, b");
}

}  // namespace
}  // namespace sluice
