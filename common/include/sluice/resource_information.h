// What an executor or a driver has beside slots and memory: GPUs and the like, by the addresses that their own libraries know them by.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "sluice/abi.h"

namespace sluice {
inline namespace SLUICE_ABI {

struct ResourceInformation {
  std::string name;                    // "gpu"
  std::vector<std::string> addresses;  // "0", "1"
  friend bool operator==(const ResourceInformation&, const ResourceInformation&) = default;
};

using ResourceMap = std::map<std::string, ResourceInformation, std::less<>>;  // by name

}  // inline namespace SLUICE_ABI
}  // namespace sluice
