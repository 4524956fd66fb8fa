// Archives as strangers may make them, byte by byte.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace sluice::testing {

struct ArchiveEntry {
  std::string name, contents;
  char type = '0';   // of tar: '0' file, '1' hard link, '2' symbolic link, '3' device, '5' folder
  std::string link;  // where it leads
};

// A ustar archive. A name of more than 100 bytes goes ahead of its entry, as pax has it.
inline std::string tarOf(const std::vector<ArchiveEntry>& entries) {
  std::string tar;
  for (const auto& entry : entries) {
    if (entry.name.size() > 100) {
      std::string path = " path=" + entry.name + "\n", digits = std::to_string(path.size());
      while (digits.size() + path.size() != std::stoul(digits)) digits = std::to_string(digits.size() + path.size());
      std::string pax = tarOf({{"long", digits + path, 'x'}});
      tar += pax.substr(0, pax.size() - 1024);
    }
    char header[512] = {};
    std::memcpy(header, entry.name.data(), std::min<std::size_t>(entry.name.size(), 100));
    std::snprintf(header + 100, 8, "%07o", entry.type == '5' ? 0755 : 0644);
    std::snprintf(header + 108, 8, "%07o", 0), std::snprintf(header + 116, 8, "%07o", 0);
    std::snprintf(header + 124, 12, "%011llo", static_cast<unsigned long long>(entry.contents.size()));
    std::snprintf(header + 136, 12, "%011o", 0);
    header[156] = entry.type;
    std::memcpy(header + 157, entry.link.data(), std::min<std::size_t>(entry.link.size(), 100));
    std::memcpy(header + 257, "ustar\00000", 8);
    std::memset(header + 148, ' ', 8);
    unsigned sum = 0;
    for (unsigned char c : header) sum += c;
    std::snprintf(header + 148, 8, "%06o", sum);
    tar.append(header, 512);
    tar += entry.contents;
    tar.append((512 - entry.contents.size() % 512) % 512, '\0');
  }
  return tar + std::string(1024, '\0');
}

// A zip archive of files that are not compressed.
inline std::string zipOf(const std::vector<ArchiveEntry>& entries) {
  auto number = [](std::string& to, std::uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) to += char(value >> (8 * i) & 0xff);
  };
  auto crcOf = [](const std::string& bytes) {
    std::uint32_t crc = ~0u;
    for (unsigned char c : bytes) {
      crc ^= c;
      for (int i = 0; i < 8; ++i) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
  };
  std::string zip, directory;
  for (const auto& entry : entries) {
    std::string common;
    bool utf8 = std::any_of(entry.name.begin(), entry.name.end(), [](unsigned char c) { return c >= 0x80; });
    number(common, 20, 2), number(common, utf8 ? 0x800 : 0, 2), number(common, 0, 2), number(common, 0, 4);  // version, flags, stored, time
    number(common, crcOf(entry.contents), 4), number(common, std::uint32_t(entry.contents.size()), 4), number(common, std::uint32_t(entry.contents.size()), 4);
    number(common, std::uint32_t(entry.name.size()), 2), number(common, 0, 2);
    number(directory, 0x02014b50, 4), number(directory, 20, 2);
    directory += common;
    number(directory, 0, 2), number(directory, 0, 2), number(directory, 0, 2), number(directory, 0, 4), number(directory, std::uint32_t(zip.size()), 4);
    directory += entry.name;
    number(zip, 0x04034b50, 4);
    zip += common + entry.name + entry.contents;
  }
  std::uint32_t at = std::uint32_t(zip.size());
  zip += directory;
  number(zip, 0x06054b50, 4), number(zip, 0, 4), number(zip, std::uint32_t(entries.size()), 2), number(zip, std::uint32_t(entries.size()), 2);
  number(zip, std::uint32_t(directory.size()), 4), number(zip, at, 4), number(zip, 0, 2);
  return zip;
}

}  // namespace sluice::testing
