// The texts that benchmarks count: made ones, the same bytes for a seed on every machine, and real ones from this machine's files.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::bench {

// Lines of some ten words drawn by Zipf's law (exponent 1) from about 50,000 words, one blank between words and none at the ends.
class ZipfText {
 public:
  explicit ZipfText(std::uint64_t seed, std::size_t words = 50'000);
  // The next bytes of the text: whole lines, at least `bytes` in all.
  std::string next(std::size_t bytes);

 private:
  std::uint64_t random();
  std::size_t draw();

  std::uint64_t state_;
  std::vector<std::string> words_;
  // Walker's alias table: word i with probability keep_[i] / 2^32, else other_[i].
  std::vector<std::uint32_t> keep_, other_;
};

// Writes `bytes` of ZipfText to a file and gives its path; the file is reused when it is there already.
std::string zipfFile(const std::string& directory, std::size_t bytes, std::uint64_t seed = 1);

// Up to `limit` bytes of the text files under these paths, in the order of their names, without empty lines.
std::string realText(const std::vector<std::string>& paths, std::size_t limit);

// A whole file mapped for reading.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  std::string_view text() const { return {data_, size_}; }

 private:
  const char* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace sluice::bench
