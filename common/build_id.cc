#include "common/build_id.h"

#include <elf.h>
#include <link.h>

#include <cstring>

namespace sluice {
namespace {

struct Search {
  std::uintptr_t inside;  // an address of the image that is looked for
  std::string found;
};

bool holds(const dl_phdr_info& image, std::uintptr_t address) {
  for (int i = 0; i < image.dlpi_phnum; ++i) {
    const auto& header = image.dlpi_phdr[i];
    std::uintptr_t begin = image.dlpi_addr + header.p_vaddr;
    if (header.p_type == PT_LOAD && address >= begin && address < begin + header.p_memsz) return true;
  }
  return false;
}

std::string idInNotes(const char* at, const char* end) {
  while (at + sizeof(ElfW(Nhdr)) <= end) {
    ElfW(Nhdr) note;
    std::memcpy(&note, at, sizeof note);
    const char* name = at + sizeof note;
    const char* body = name + ((note.n_namesz + 3) & ~3u);
    at = body + ((note.n_descsz + 3) & ~3u);
    if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != 4 || std::memcmp(name, "GNU", 4) != 0 || at > end) continue;
    std::string hex;
    for (std::uint32_t i = 0; i < note.n_descsz; ++i) {
      constexpr char kDigits[] = "0123456789abcdef";
      auto byte = static_cast<unsigned char>(body[i]);
      hex += kDigits[byte >> 4], hex += kDigits[byte & 15];
    }
    return hex;
  }
  return "";
}

int visit(dl_phdr_info* image, std::size_t, void* argument) {
  auto& search = *static_cast<Search*>(argument);
  if (!holds(*image, search.inside)) return 0;
  for (int i = 0; i < image->dlpi_phnum && search.found.empty(); ++i) {
    const auto& header = image->dlpi_phdr[i];
    if (header.p_type != PT_NOTE) continue;
    const char* notes = reinterpret_cast<const char*>(image->dlpi_addr + header.p_vaddr);
    search.found = idInNotes(notes, notes + header.p_memsz);
  }
  return 1;
}

}  // namespace

std::string buildId() {
  static const char kHere = 0;
  Search search{reinterpret_cast<std::uintptr_t>(&kHere), ""};
  dl_iterate_phdr(visit, &search);
  return search.found.empty() ? "abi " + std::to_string(SLUICE_ABI_NUMBER) : search.found;
}

}  // namespace sluice
