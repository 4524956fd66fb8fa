// For builds without libFuzzer: runs a target over its corpus, and over inputs made from it by the same few changes that libFuzzer begins
// with, from a fixed seed. Takes libFuzzer's arguments: TARGET [-runs=N] FOLDER...
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Bytes = std::vector<std::uint8_t>;

void run(const Bytes& input) {
  // In a block of its exact size, so that AddressSanitizer sees what is read behind it.
  auto exact = std::make_unique<std::uint8_t[]>(input.size());
  std::copy(input.begin(), input.end(), exact.get());
  LLVMFuzzerTestOneInput(exact.get(), input.size());
}

Bytes changed(Bytes bytes, const std::vector<Bytes>& corpus, std::mt19937_64& random) {
  constexpr std::uint8_t kTelling[] = {0, 1, 2, 0x7f, 0x80, 0x81, 0xfe, 0xff, '\n', '\r', '=', ' '};
  auto below = [&](std::size_t n) { return std::size_t(random() % (n ? n : 1)); };
  for (std::size_t changes = 1 + below(4); changes > 0; --changes) {
    std::size_t at = below(bytes.size() + 1);
    auto here = bytes.begin() + std::ptrdiff_t(at);
    switch (below(7)) {
      case 0: if (at < bytes.size()) *here = std::uint8_t(*here ^ (1u << below(8))); break;
      case 1: if (at < bytes.size()) *here = kTelling[below(std::size(kTelling))]; break;
      case 2: if (at < bytes.size()) *here = std::uint8_t(random()); break;
      case 3: bytes.insert(here, 1 + below(8), kTelling[below(std::size(kTelling))]); break;
      case 4: bytes.erase(here, here + std::ptrdiff_t(std::min(1 + below(16), bytes.size() - at))); break;
      case 5: bytes.resize(at); break;
      case 6: {
        const Bytes& other = corpus[below(corpus.size())];
        std::size_t from = below(other.size()), n = std::min(below(64) + 1, other.size() - from);
        bytes.insert(here, other.begin() + std::ptrdiff_t(from), other.begin() + std::ptrdiff_t(from + n));
        break;
      }
    }
    if (bytes.size() > 4096) bytes.resize(4096);
  }
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  unsigned long runs = 0;
  std::vector<Bytes> corpus = {{}};
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    if (word.starts_with("-runs=")) {
      runs = std::strtoul(word.c_str() + 6, nullptr, 10);
    } else if (!word.starts_with("-")) {
      std::vector<std::filesystem::path> files;
      for (const auto& entry : std::filesystem::directory_iterator(word)) files.push_back(entry.path());
      std::sort(files.begin(), files.end());
      for (const auto& file : files) {
        std::ostringstream all;
        all << std::ifstream(file, std::ios::binary).rdbuf();
        std::string text = all.str();
        corpus.emplace_back(text.begin(), text.end());
      }
    }
  }
  for (const Bytes& input : corpus) run(input);
  std::mt19937_64 random(1);
  for (unsigned long i = corpus.size(); i < runs; ++i) run(changed(corpus[random() % corpus.size()], corpus, random));
  std::printf("%s: %zu seeds, %lu runs\n", argv[0], corpus.size() - 1, std::max<unsigned long>(runs, corpus.size()));
}
