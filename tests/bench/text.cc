#include "tests/bench/text.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <unordered_set>

namespace sluice::bench {

ZipfText::ZipfText(std::uint64_t seed, std::size_t words) : state_(seed), keep_(words), other_(words) {
  // Frequent words are short, as in real text: 4.2 bytes a word on average when drawn.
  std::unordered_set<std::string> taken;
  while (words_.size() < words) {
    std::size_t rank = words_.size() + 1;
    std::size_t length = 1 + std::size_t(std::log2(double(rank)) * 0.42) + random() % 3;
    std::string word;
    for (std::size_t i = 0; i < length; ++i) word += char('a' + random() % 26);
    if (taken.insert(word).second) words_.push_back(word);
  }
  std::vector<double> share(words);
  double sum = 0;
  for (std::size_t i = 0; i < words; ++i) sum += share[i] = 1.0 / double(i + 1);
  std::vector<std::uint32_t> poor, rich;
  for (std::size_t i = 0; i < words; ++i) {
    share[i] *= double(words) / sum;
    (share[i] < 1 ? poor : rich).push_back(std::uint32_t(i));
  }
  constexpr double kAll = 4294967295.0;
  while (!poor.empty() && !rich.empty()) {
    std::uint32_t low = poor.back(), high = rich.back();
    poor.pop_back();
    keep_[low] = std::uint32_t(share[low] * kAll);
    other_[low] = high;
    share[high] -= 1 - share[low];
    if (share[high] < 1) {
      rich.pop_back();
      poor.push_back(high);
    }
  }
  for (const auto* rest : {&poor, &rich})
    for (std::uint32_t i : *rest) keep_[i] = std::uint32_t(kAll), other_[i] = i;
}

std::uint64_t ZipfText::random() {  // splitmix64
  std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

std::size_t ZipfText::draw() {
  std::uint64_t bits = random();
  std::size_t column = std::size_t((bits >> 32) * words_.size() >> 32);
  return std::uint32_t(bits) < keep_[column] ? column : other_[column];
}

std::string ZipfText::next(std::size_t bytes) {
  std::string out;
  out.reserve(bytes + 256);
  while (out.size() < bytes) {
    std::size_t count = 6 + random() % 9;
    for (std::size_t i = 0; i < count; ++i) {
      out += words_[draw()];
      out += i + 1 < count ? ' ' : '\n';
    }
  }
  return out;
}

std::string zipfFile(const std::string& directory, std::size_t bytes, std::uint64_t seed) {
  std::string path = directory + "/zipf-" + std::to_string(seed) + "-" + std::to_string(bytes) + ".txt";
  if (std::filesystem::exists(path)) return path;
  ZipfText text(seed);
  std::ofstream out(path + ".part", std::ios::binary);
  for (std::size_t written = 0; written < bytes;) {
    std::string piece = text.next(std::min<std::size_t>(bytes - written, 8 << 20));
    out << piece;
    written += piece.size();
  }
  out.close();
  if (!out) throw std::runtime_error("cannot write " + path + "; is the disk full?");
  std::filesystem::rename(path + ".part", path);
  return path;
}

namespace {

bool isText(std::string_view bytes) { return bytes.find('\0') == std::string_view::npos; }

void addFile(const std::string& path, std::size_t limit, std::string& out) {
  std::ifstream in(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  if (!isText(bytes)) return;
  for (std::size_t from = 0; from < bytes.size() && out.size() < limit;) {
    std::size_t end = std::min(bytes.find('\n', from), bytes.size());
    std::string_view line(bytes.data() + from, end - from);
    if (line.find_first_not_of(" \t\r") != std::string_view::npos) out.append(line).push_back('\n');
    from = end + 1;
  }
}

}  // namespace

std::string realText(const std::vector<std::string>& paths, std::size_t limit) {
  namespace fs = std::filesystem;
  std::string out;
  for (const std::string& path : paths) {
    std::vector<std::string> files;
    std::error_code none;
    if (fs::is_regular_file(path, none)) files.push_back(path);
    if (fs::is_directory(path, none))
      for (const auto& entry : fs::recursive_directory_iterator(path, fs::directory_options::skip_permission_denied))
        if (entry.is_regular_file(none)) files.push_back(entry.path());
    if (files.empty()) throw std::runtime_error("no text in '" + path + "'; name a file or a folder of text files");
    std::sort(files.begin(), files.end());
    for (const std::string& file : files)
      if (out.size() < limit) addFile(file, limit, out);
  }
  return out;
}

MappedFile::MappedFile(const std::string& path) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat about;
  if (fd < 0 || fstat(fd, &about) != 0) throw std::runtime_error("cannot read " + path);
  size_ = std::size_t(about.st_size);
  void* at = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
  close(fd);
  if (at == MAP_FAILED) throw std::runtime_error("cannot map " + path);
  data_ = static_cast<const char*>(at);
}

MappedFile::~MappedFile() { munmap(const_cast<char*>(data_), size_); }

}  // namespace sluice::bench
