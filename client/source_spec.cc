#include "client/source_spec.h"

#include <xxhash.h>

namespace sluice {

void SourceSpec::seal() {
  std::string bytes;
  source.SerializeToString(&bytes);
  hash = XXH3_64bits(bytes.data(), bytes.size());
}

}  // namespace sluice
