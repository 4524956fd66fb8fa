// Files that are submitted as applications: the hostile ones. (What each ordinary mistake says is in tests/cli.)
#include "common/module_file.h"

#include <elf.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "sluice/abi.h"

namespace sluice {
namespace {

// Sections without number whose notes all lie over each other: to believe them would take 16 GB.
TEST(ModuleFile, OverlappingNotesTakeNoMemory) {
  constexpr std::size_t kSections = 16'000, kFileBytes = 2 << 20;
  std::vector<char> bytes(kFileBytes);
  AbiNote note;
  for (std::size_t at = 0; at + sizeof note <= bytes.size(); at += sizeof note) std::memcpy(bytes.data() + at, &note, sizeof note);
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
#if defined(__x86_64__)
  header.e_machine = EM_X86_64;
#else
  header.e_machine = EM_AARCH64;
#endif
  header.e_type = ET_DYN;
  header.e_shoff = 4096, header.e_shnum = kSections, header.e_shstrndx = 0;
  std::memcpy(bytes.data(), &header, sizeof header);
  std::memcpy(bytes.data() + 2048, ".note.sluice", 13);
  for (std::size_t i = 0; i < kSections; ++i) {
    Elf64_Shdr section{};
    section.sh_offset = i == 0 ? 2048 : 4096 + kSections * sizeof section;
    section.sh_size = bytes.size();
    std::memcpy(bytes.data() + 4096 + i * sizeof section, &section, sizeof section);
  }
  std::string path = testing::TempDir() + "overlapping-" + std::to_string(::getpid());
  std::ofstream(path, std::ios::binary).write(bytes.data(), std::streamsize(bytes.size()));
  EXPECT_FALSE(checkModuleFile(path).ok());  // the first of these "notes" is a string
  std::remove(path.c_str());
}

}  // namespace
}  // namespace sluice
