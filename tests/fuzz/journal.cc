// The journal's records, replayed: those that are no records, and those that do not follow from the ones before.
#include "master/journal_state.h"
#include "tests/fuzz/fuzz.h"

using namespace sluice;  // NOLINT

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input in(data, size);
  master::JournalState state;
  std::uint64_t sequence = 0;
  while (!in.empty()) {
    std::string_view bytes = in.piece();
    proto::JournalRecord record;
    if (!record.ParseFromArray(bytes.data(), int(bytes.size()))) break;
    auto status = state.apply(++sequence, record);
    fuzz::require(status.ok() || !status.message().empty(), "a refusal says why");
    if (!status.ok()) break;
  }
  state.describe();
  return 0;
}
