// A module whose note says that it was built for another Sluice; compiled once for each kind of difference.
#include <sluice/abi.h>

namespace {

constexpr sluice::AbiNote other() {
  sluice::AbiNote note;
  note.OTHER_FIELD = OTHER_VALUE;
  return note;
}
[[gnu::section(".note.sluice"), gnu::used]] const sluice::AbiNote note = other();

}  // namespace
