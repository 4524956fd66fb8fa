// Files and archives that Context::addFile and addArchive have shipped (Spark's SparkFiles).
#pragma once
#include <string>
#include <string_view>

#include "sluice/abi.h"

namespace sluice {
inline namespace SLUICE_ABI {

struct Files {
  // Path of the file, or of the folder of the archive, in tasks as in the driver. Throws Error(kInvalidArgument) if none of that name was added before the job began.
  SLUICE_EXPORT static std::string get(std::string_view name);
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
