// Rows as executors read them, a chunk at a time: counts and bytes that do not fit together, and filters by bucket.
#include "sluice/error.h"
#include "sluice/typed.h"
#include "tests/fuzz/fuzz.h"
#include "worker/executor/rows_cursor.h"

namespace {

using namespace sluice;  // NOLINT
using namespace sluice::executor;  // NOLINT

template <class T> void read(std::string_view rows, std::uint64_t count, std::size_t max, BucketRange range) {
  const TypeDesc& type = *typeDesc<T>();
  RowsDecoder decoder(type);
  BucketFilter filter(type, range);
  std::uint64_t seen = 0;
  try {
    decoder.start(rows, count);
    Chunk chunk;
    while (decoder.next(chunk, max)) {
      fuzz::require(chunk.size <= max || max == 0, "a chunk is no larger than asked for");
      seen += chunk.size;
      Chunk kept = filter.filter(chunk);
      fuzz::require(kept.size <= chunk.size, "a filter adds nothing");
      Buffer again;
      type.encode(chunk.data, chunk.size, again);
    }
    fuzz::require(count == 0 || seen == count, "all that were announced came");
  } catch (const Error& error) {
    fuzz::require(error.kind() == ErrorKind::kLost, "damaged rows are told as lost");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input in(data, size);
  std::uint8_t type = in.byte(), low = in.byte(), high = in.byte();
  std::size_t max = std::size_t(in.byte()) + 1;
  std::uint64_t count = in.number();
  BucketRange range{std::uint8_t(low % 65), std::uint8_t(high % 65)};
  std::string_view rows = in.rest();
  switch (type % 5) {
    case 0: read<std::pair<std::string_view, std::int64_t>>(rows, count, max, range); break;
    case 1: read<std::pair<std::string, std::vector<std::string>>>(rows, count, max, range); break;
    case 2: read<std::string_view>(rows, count, max, range); break;
    case 3: read<std::pair<std::int64_t, std::optional<double>>>(rows, count, max, range); break;
    case 4: read<int>(rows, count, max, range); break;
  }
  return 0;
}
