// The log of mapWithState: pieces of hostile bytes, and changes as its operators write them, compared with a plain map.
#include <filesystem>
#include <map>

#include "sluice/error.h"
#include "tests/fuzz/fuzz.h"
#include "worker/executor/state_log.h"

namespace {

using namespace sluice;  // NOLINT
using namespace sluice::executor;  // NOLINT

Store& store() {
  static auto* one = new Store(64 << 20, std::filesystem::temp_directory_path().string());
  return *one;
}

void hostile(fuzz::Input& in) {
  auto version = std::make_shared<Rows>();
  while (!in.empty()) version->add({store().put(ObjectKind::kState, Bytes::of(std::string(in.piece())), 1)});
  try {
    StateLog table(store());
    table.load(version);
    StateLog::Position at;
    StateEntry entry;
    std::size_t entries = 0;
    while (table.next(at, entry)) {
      ++entries;
      std::string key(entry.key), value(entry.value);
      StateEntry found;
      fuzz::require(table.find(key, found) && found.value == value, "each entry that is gone over is found");
    }
    fuzz::require(entries == table.size(), "size() is what is gone over");
    table.begin();
    for (std::size_t n = 0; n <= entries && table.nextDue(0, entry); ++n) fuzz::require(n < entries, "an entry is due once");
  } catch (const Error& error) {
    fuzz::require(error.kind() == ErrorKind::kLost, "damaged state is told as lost");
  }
}

void wellFormed(fuzz::Input& in) {
  std::map<std::string, std::string> want;
  StateLog table(store());
  while (!in.empty()) {
    Buffer changes;
    std::map<std::string, bool> once;
    for (int n = in.byte() % 16; n > 0; --n) {
      std::string key(1, char('a' + in.byte() % 20));
      std::uint8_t what = in.byte();
      if (!once.emplace(key, true).second) continue;
      std::string value(what % 50, char(what));
      StateRow{key, value, std::int64_t(what), what < 64}.append(changes);
      if (what < 64) want.erase(key);
      else want[key] = value;
    }
    table.commit(changes.view());
    fuzz::require(table.size() == want.size(), "as many entries as in a map");
    for (const auto& [key, value] : want) {
      StateEntry found;
      fuzz::require(table.find(key, found) && found.value == value, "the entries of a map");
    }
  }
  StateLog other(store());
  other.load(table.version());
  fuzz::require(other.size() == want.size(), "a version is loaded as it was left");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input in(data, size);
  in.byte() % 2 ? hostile(in) : wellFormed(in);
  return 0;
}
