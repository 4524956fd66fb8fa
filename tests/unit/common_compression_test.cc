// Compressed text: what is written is read, by members and frames, torn at any byte, and with any bit changed.
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "common/compression.h"

namespace sluice {
namespace {

constexpr Compression kAll[] = {Compression::kGzip, Compression::kZstd, Compression::kLz4};

std::string compressed(Compression compression, std::string_view text, std::size_t step = SIZE_MAX) {
  auto compressor = Compressor::make(compression);
  Buffer out;
  for (; !text.empty(); text.remove_prefix(std::min(step, text.size()))) compressor->add(text.substr(0, step), out);
  compressor->finish(out);
  return std::string(out.view());
}

// The text, or "torn", or "damaged". Input comes `step` bytes at a time.
std::string decompressed(Compression compression, std::string_view bytes, std::size_t step = SIZE_MAX, std::size_t room = 1000) {
  auto decompressor = Decompressor::make(compression);
  std::string text, some(room, '\0');
  for (;;) {
    std::string_view in = bytes.substr(0, step);
    std::size_t before = in.size(), made = 0;
    if (!decompressor->step(in, some.data(), some.size(), made).ok()) return "damaged";
    text.append(some, 0, made);
    bytes.remove_prefix(before - in.size());
    if (made == 0 && in.size() == before) break;
  }
  if (!bytes.empty()) return "damaged";
  return decompressor->whole() ? text : "torn";
}

std::string someText(std::size_t size) {
  std::mt19937_64 random(7);
  std::string text;
  while (text.size() < size) text += "line " + std::to_string(random() % 1000) + (random() % 3 ? " " : "\n");
  return text;
}

TEST(Compression, IsNamedByTheSuffix) {
  EXPECT_EQ(compressionOf("/d/a.gz"), Compression::kGzip);
  EXPECT_EQ(compressionOf("a.txt.zst"), Compression::kZstd);
  EXPECT_EQ(compressionOf("a.lz4"), Compression::kLz4);
  EXPECT_EQ(compressionOf("a.gz.txt"), Compression::kNone);
  EXPECT_EQ(compressionOf("gz"), Compression::kNone);
  EXPECT_STREQ(extensionOf(Compression::kZstd), ".zst");
  EXPECT_STREQ(extensionOf(Compression::kNone), "");
  EXPECT_EQ(cannotDecompress("a.bz2"), "files compressed as bz2 are not read; compress them as .gz, .zst or .lz4");
  EXPECT_EQ(cannotDecompress("a.gz"), "");
}

TEST(Compression, WhatIsWrittenIsRead) {
  for (Compression compression : kAll) {
    SCOPED_TRACE(extensionOf(compression));
    for (std::size_t size : {0, 1, 100, 70'000, 1'000'000}) {
      std::string text = someText(size);
      std::string bytes = compressed(compression, text, 30'000);
      EXPECT_LT(bytes.size(), text.size() / 2 + 100);
      EXPECT_EQ(decompressed(compression, bytes), text) << size;
      EXPECT_EQ(decompressed(compression, bytes, 11, 7), text) << "bit by bit, " << size;
    }
  }
}

TEST(Compression, MembersFollowEachOther) {
  for (Compression compression : kAll) {
    SCOPED_TRACE(extensionOf(compression));
    std::string bytes = compressed(compression, "one\n") + compressed(compression, "") + compressed(compression, someText(50'000)) + compressed(compression, "end");
    EXPECT_EQ(decompressed(compression, bytes), "one\n" + someText(50'000) + "end");
    EXPECT_EQ(decompressed(compression, bytes, 3), "one\n" + someText(50'000) + "end");
    EXPECT_EQ(decompressed(compression, bytes + "and something else"), "damaged");
  }
  EXPECT_EQ(decompressed(Compression::kGzip, compressed(Compression::kGzip, "padded") + std::string(512, '\0')), "padded");
  EXPECT_EQ(decompressed(Compression::kGzip, ""), "");
}

TEST(Compression, TornAtAnyByte) {
  for (Compression compression : kAll) {
    SCOPED_TRACE(extensionOf(compression));
    std::string bytes = compressed(compression, someText(300));
    for (std::size_t n = 1; n < bytes.size(); ++n) EXPECT_EQ(decompressed(compression, std::string_view(bytes).substr(0, n)), "torn") << n;
  }
}

TEST(Compression, ChangedBitsAreFound) {
  for (Compression compression : kAll) {
    SCOPED_TRACE(extensionOf(compression));
    std::string text = someText(2000), bytes = compressed(compression, text);
    int unnoticed = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      std::string broken = bytes;
      broken[i] = char(broken[i] ^ 4);
      std::string got = decompressed(compression, broken);
      // gzip's header has fields that say nothing of the text (time, system).
      if (got == text) ++unnoticed;
      else EXPECT_TRUE(got == "damaged" || got == "torn") << "byte " << i;
    }
    EXPECT_LT(unnoticed, 10);
  }
}

TEST(Compression, AnyBytesAreAnAnswer) {
  std::mt19937_64 random(3);
  for (Compression compression : kAll) {
    std::string good = compressed(compression, someText(500));
    for (int round = 0; round < 3000; ++round) {
      std::string bytes = good;
      for (int changes = int(random() % 5) + 1; changes > 0; --changes) bytes[random() % bytes.size()] = char(random());
      decompressed(compression, bytes, 64);
    }
  }
}

}  // namespace
}  // namespace sluice
