// What the typed face says to libsluice of files: as inputs, and as outputs.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "sluice/compression.h"
#include "sluice/detail/graph.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

// How the records of a file lie in it.
struct FileForm {
  enum class Kind : std::uint8_t {
    kLines,    // std::string_view
    kTexts,    // std::pair<std::string path, std::string text>, one for each file
    kBytes,    // std::pair<std::string path, std::string bytes>, one for each file
    kRecords,  // std::string_view of recordBytes
    kObjects,  // rows of `schema`
  };
  Kind kind = Kind::kLines;
  std::int64_t recordBytes = 0;
  std::string_view schema;
};

// `paths`: a file, directory, glob, or several with commas between. Error(kInvalidArgument) names what is not there or cannot be read.
SLUICE_EXPORT NodeRef addFiles(ContextCore& context, std::string_view paths, const FileForm& form, int minPartitions, const NodeFacts& facts);
// How an output's files are written.
struct FileOutput {
  const char* method;
  std::string_view path;      // the directory of a job, the prefix of a stream's
  std::string_view suffix{};  // of a stream's
  Compression compression = Compression::kNone;
  bool objects = false;       // encoded rows, not lines
  std::string_view schema{};  // of objects
};
// Writes a new directory, and returns when it is whole.
SLUICE_EXPORT void saveFiles(const NodeRef& node, const FileOutput& output, CallSite site);

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
