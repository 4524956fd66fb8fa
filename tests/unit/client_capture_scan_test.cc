#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <random>

#include "client/capture_scan.h"

namespace sluice {
namespace {

template <class T> std::string bytes(const T& value) { return std::string(reinterpret_cast<const char*>(&value), sizeof value); }

int global = 3;

TEST(CaptureScan, FindsPointersToStackHeapAndImage) {
  int local = 1;
  auto heap = std::make_unique<int>(2);
  EXPECT_NE(pointerIn(bytes(&local)), "");
  EXPECT_NE(pointerIn(bytes(heap.get())), "");
  EXPECT_NE(pointerIn(bytes(&global)), "");
  EXPECT_NE(pointerIn(bytes("a literal" + 0)), "");
  std::string_view view = "a literal of a view";
  EXPECT_NE(pointerIn(bytes(view)), "");
  EXPECT_NE(pointerIn(bytes([&] { return local; })), "");
}

TEST(CaptureScan, LeavesNumbersAlone) {
  EXPECT_EQ(pointerIn(""), "");
  EXPECT_EQ(pointerIn("short"), "");
  EXPECT_EQ(pointerIn(bytes(1'795'000'000'000LL)), "") << "a time in milliseconds";
  EXPECT_EQ(pointerIn(bytes(4LL << 20)), "");
  EXPECT_EQ(pointerIn(bytes(3.14159)), "");
  EXPECT_EQ(pointerIn(bytes(-1LL)), "");
  std::mt19937_64 random(7);
  int found = 0;
  for (int i = 0; i < 20'000; ++i) found += !pointerIn(bytes(random())).empty();
  EXPECT_EQ(found, 0) << "of 20,000 random words, seed 7";
}

TEST(CaptureScan, LooksAtEachWord) {
  struct {
    long a = 5;
    int* p = &global;
  } capture;
  EXPECT_NE(pointerIn(bytes(capture)), "");
}

}  // namespace
}  // namespace sluice
