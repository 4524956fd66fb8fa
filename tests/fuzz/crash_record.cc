// What a process left in its last moments: shown as one sentence, whatever it is.
#include "common/crash_record.h"
#include "tests/fuzz/fuzz.h"

using namespace sluice;  // NOLINT

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view record(reinterpret_cast<const char*>(data), size);
  std::string sentence = sentenceOf(record);
  fuzz::require(sentence.size() <= 2'000 && sentence.size() <= size, "a sentence is short");
  for (char c : sentence) fuzz::require(static_cast<unsigned char>(c) >= 32 && c != 127, "and one line");
  return 0;
}
