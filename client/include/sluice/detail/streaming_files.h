// Files that appear in a directory, as streams.
#pragma once
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

#include "sluice/detail/files.h"
#include "sluice/detail/stream_graph.h"
#include "sluice/dstream.h"
#include "sluice/ops/filter.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

// Methods of a StreamingContext. `directory` is one, or a glob that matches several; the files directly in them are looked at, not those below.
// It need not be there yet. A file belongs to the batch at t if it was modified after the beginning of the stream (newFilesOnly; else at
// any time), after t - sluice.streaming.fileStream.minRememberDuration (60 s) and not after t, and was not in a batch of that time before: so
// files must appear whole, by renaming, and later changes of them are ignored. Names that begin with '.' or '_' are left out. Modification
// times are the file system's: a clock that differs from the executors' may lose files.
template <class Derived> class StreamingFiles {
 public:
  // Lines of text; files whose names end in .gz, .zst or .lz4 are decompressed.
  DStream<std::string_view> textFileStream(std::string_view directory, bool newFilesOnly = true, CallSite at = CallSite::here()) const {
    return newFiles(directory, {FileForm::Kind::kLines}, newFilesOnly, nullptr, "textFileStream", at);
  }
  // Of the files for which filter(std::string_view path) is true, whatever their names begin with. It is asked in an executor, for each file at
  // each batch; if it throws, the files wait for the next one.
  template <class F> requires(!std::is_arithmetic_v<F>)
  DStream<std::string_view> textFileStream(std::string_view directory, F filter, bool newFilesOnly = true, CallSite at = CallSite::here()) const {
    if constexpr (!kShippable<F>) return usable<F, std::string_view>(), DStream<std::string_view>();
    else if constexpr (!std::is_invocable_r_v<bool, F&, const std::string_view&>) {
      static_assert(never<F>, "sluice: the filter of textFileStream takes the path of a file as std::string_view and returns bool");
      return DStream<std::string_view>();
    } else {
      OpRef op = ops::Filter<std::string_view, F>::of(std::move(filter));
      return newFiles(directory, {FileForm::Kind::kLines}, newFilesOnly, &op, "textFileStream", at);
    }
  }
  // Records of `length` bytes each. A file whose size is no multiple of it fails its batch. Error(kInvalidArgument): the length is not above 0.
  DStream<std::string_view> binaryRecordsStream(std::string_view directory, std::int64_t length, CallSite at = CallSite::here()) const {
    return newFiles(directory, {FileForm::Kind::kRecords, length}, true, nullptr, "binaryRecordsStream", at);
  }

 private:
  DStream<std::string_view> newFiles(std::string_view directory, const FileForm& form, bool newFilesOnly, const OpRef* filter, const char* name,
                                     CallSite at) const {
    NodeFacts facts{name, at, typeDesc<std::string_view>()};
    facts.stream = true;
    return DStream<std::string_view>(addNewFiles(static_cast<const Derived*>(this)->core(), directory, form, newFilesOnly, filter, facts));
  }
};

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
