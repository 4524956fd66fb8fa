// What rawSocketStream and socketStream read from the wire, in pieces of any size: the same as at once.
#include <algorithm>
#include <vector>

#include "sluice/error.h"
#include "sluice/socket_input.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/rows_sink.h"

namespace {

using namespace sluice;  // NOLINT

class Wire final : public ByteInput {
 public:
  Wire(std::string_view bytes, std::size_t piece) : left_(bytes), piece_(piece) {}

 private:
  std::size_t receive(char* to, std::size_t n) override {
    n = std::min({n, piece_, left_.size()});
    left_.copy(to, n);
    left_.remove_prefix(n);
    return n;
  }
  std::string_view left_;
  const std::size_t piece_;
};

class Taken final : public RowsSink {
 public:
  void addRows(std::string_view rows, std::size_t n) override { text += std::to_string(n) + ":" + std::string(rows) + ";"; }
  std::string text;
};

template <class T> std::string blocks(std::string_view bytes, std::size_t piece) {
  Wire wire(bytes, piece);
  Taken taken;
  try {
    detail::takeRawBlocks(wire, taken, *typeDesc<T>());
  } catch (const Error& error) {
    fuzz::require(error.kind() == ErrorKind::kInvalidArgument || error.kind() == ErrorKind::kUnavailable, "damage is told as bad input");
    taken.text += error.what();
  }
  return taken.text;
}

template <class T> void checkBlocks(std::string_view bytes, std::size_t piece) {
  std::string atOnce = blocks<T>(bytes, bytes.size() + 1);
  fuzz::require(atOnce.size() <= 4 * bytes.size() + 1000, "nothing is made of nothing");
  fuzz::require(blocks<T>(bytes, piece) == atOnce, "pieces do not matter");
}

std::vector<std::string> lines(std::string_view bytes, std::size_t piece, std::size_t most) {
  Wire wire(bytes, piece);
  std::vector<std::string> all;
  std::string line;
  try {
    while (wire.readLine(line, most)) all.push_back(line);
  } catch (const Error& error) {
    all.push_back(error.what());
  }
  return all;
}

void roundTrip(fuzz::Input& in, std::size_t piece) {
  using Record = std::pair<std::string, int>;
  std::string wire;
  Taken want;
  while (!in.empty()) {
    std::vector<Record> records;
    for (int n = in.byte() % 5; n > 0; --n) records.emplace_back(in.piece(), in.byte());
    Buffer rows;
    for (const Record& record : records) encodeValue(record, rows);
    if (!records.empty()) want.addRows(rows.view(), records.size());
    wire += rawBlock(records);
  }
  fuzz::require(blocks<Record>(wire, piece) == want.text, "what is sent is taken");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input in(data, size);
  std::uint8_t mode = in.byte();
  std::size_t piece = std::size_t(in.byte()) + 1;
  if (mode % 6 == 5) return roundTrip(in, piece), 0;
  std::string_view bytes = in.rest();
  switch (mode % 6) {
    case 0: checkBlocks<int>(bytes, piece); break;
    case 1: checkBlocks<std::string>(bytes, piece); break;
    case 2: checkBlocks<std::pair<std::string, int>>(bytes, piece); break;
    case 3: checkBlocks<std::vector<std::vector<char>>>(bytes, piece); break;
    case 4: fuzz::require(lines(bytes, piece, 200) == lines(bytes, bytes.size() + 1, 200), "lines are the same in any pieces"); break;
  }
  return 0;
}
