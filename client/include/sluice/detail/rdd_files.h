// Datasets written into files.
#pragma once
#include <string>
#include <string_view>

#include "sluice/detail/files.h"
#include "sluice/detail/rdd_statistics.h"
#include "sluice/ops/lines.h"
#include "sluice/schema.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

template <class T> class RddFiles : public RddStatistics<T> {
  using Base = RddStatistics<T>;

 public:
  // A new directory with a file part-00000, ... for each partition, one record a line, and _SUCCESS once all are there.
  // Error(kInvalidArgument): it exists already.
  void saveAsTextFile(std::string_view directory, CallSite at = CallSite::here()) const { saveAsTextFile(directory, Compression::kNone, at); }
  // Compressed, as part-00000.gz and so on.
  void saveAsTextFile(std::string_view directory, Compression compression, CallSite at = CallSite::here()) const {
    if constexpr (!kBroken) {
      FileOutput output{"saveAsTextFile", directory, {}, compression};
      saveFiles(step<std::string>(node_, ops::TextLines<T>::of(), method(output.method, at)), output, at);
    }
  }
  // As saveAsTextFile, with the records as encoded rows; Context::objectFile<T> reads them again.
  void saveAsObjectFile(std::string_view directory, CallSite at = CallSite::here()) const {
    if constexpr (!kBroken) {
      if constexpr (stores<T>()) {
        FileOutput output{"saveAsObjectFile", directory};
        std::string schema = schemaOf<owned_t<T>>();
        output.objects = true, output.schema = schema;
        saveFiles(node_, output, at);
      }
    }
  }

 protected:
  using Base::Base;
  using Base::kBroken;
  using Base::method;
  using Base::node_;
};

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
