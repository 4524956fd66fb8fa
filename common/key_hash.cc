// The out-of-line half of hash.h and codec.h.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <string>

#include "sluice/codec.h"
#include "sluice/hash.h"

namespace sluice {
inline namespace SLUICE_ABI {

std::uint64_t hashLong(const char* bytes, std::size_t size) noexcept { return XXH3_64bits(bytes, size); }

void throwDamagedRow(const char* what) { throw Error(ErrorKind::kLost, std::string("damaged data: ") + what); }

}  // inline namespace SLUICE_ABI
}  // namespace sluice
