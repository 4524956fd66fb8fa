// The journal's records, replayed: those that are no records, and those that do not follow from the ones before. A snapshot says the same.
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
  std::string snapshot = state.snapshot().SerializeAsString();
  proto::JournalSnapshot read;
  master::JournalState restored;
  fuzz::require(read.ParseFromString(snapshot) && restored.restore(sequence, read).ok(), "a snapshot is read back");
  fuzz::require(restored.snapshot().SerializeAsString() == snapshot, "a snapshot says everything");
  return 0;
}
