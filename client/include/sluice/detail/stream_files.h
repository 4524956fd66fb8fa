// Streams written into files.
#pragma once
#include <string>
#include <string_view>

#include "sluice/detail/files.h"
#include "sluice/detail/stream_graph.h"
#include "sluice/detail/transforms.h"
#include "sluice/ops/lines.h"
#include "sluice/schema.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

// Methods of H<T>, a DStream. Every directory is written aside, gets its parts under their last names when the batch is decided, and
// _SUCCESS when they are all there. A batch that runs again replaces what it wrote before.
template <template <class> class H, class T> class StreamFiles : public Transforms<H, T> {
  using Base = Transforms<H, T>;

 public:
  // A directory prefix-TIME[.suffix] for each batch, one record a line. An empty prefix, or one that ends in a slash, leaves the time alone
  // as the name.
  void saveAsTextFiles(std::string_view prefix, std::string_view suffix = "", CallSite at = CallSite::here()) const {
    saveAsTextFiles(prefix, suffix, Compression::kNone, at);
  }
  // With compressed parts, part-00000.gz and so on.
  void saveAsTextFiles(std::string_view prefix, std::string_view suffix, Compression compression, CallSite at = CallSite::here()) const {
    if constexpr (!kBroken) {
      FileOutput output{"saveAsTextFiles", prefix, suffix, compression};
      addFileOutput(step<std::string>(node_, ops::TextLines<T>::of(), method(output.method, at)), output, at);
    }
  }
  // The same with the records as encoded rows; Context::objectFile<T> reads them again.
  void saveAsObjectFiles(std::string_view prefix, std::string_view suffix = "", CallSite at = CallSite::here()) const {
    if constexpr (!kBroken) {
      if constexpr (stores<T>()) {
        FileOutput output{"saveAsObjectFiles", prefix, suffix};
        std::string schema = schemaOf<owned_t<T>>();
        output.objects = true, output.schema = schema;
        addFileOutput(node_, output, at);
      }
    }
  }
  // All batches in few files of one directory, one record a line, instead of a directory for each: files named part-TIME-N after their first
  // batch, which appear when they are finished; until then they are hidden (.part-TIME-N). Each record is in them once, also where batches are
  // repeated, masters restart, or a stream is restored from its checkpoint: what it will process again is taken out of the files first.
  // One stream at a time writes into a directory.
  void saveAsRollingTextFiles(std::string_view directory, const RollingPolicy& policy = {}, CallSite at = CallSite::here()) const {
    if constexpr (!kBroken) {
      addRollingOutput(step<std::string>(node_, ops::TextLines<T>::of(), method("saveAsRollingTextFiles", at)), directory, policy, at);
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
