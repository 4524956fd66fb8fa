// Files as datasets.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "sluice/detail/files.h"
#include "sluice/rdd.h"
#include "sluice/schema.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

// Methods of a Context. Everywhere `paths` is a file, a directory (its files; names that begin with '.' or '_' are left out), a glob, or
// several of these with commas between; the driver and all executors must be able to read them. minPartitions: at least so many tasks, where
// the files are large enough; 0: the default parallelism.
template <class Derived> class ContextFiles {
 public:
  // Lines, without their ends ('\n', or '\r' and '\n'). Files whose names end in .gz, .zst or .lz4 are decompressed as they are read, each by
  // one task.
  RDD<std::string_view> textFile(std::string_view paths, int minPartitions = 0, CallSite at = CallSite::here()) const {
    return read<std::string_view>(paths, {FileForm::Kind::kLines}, minPartitions, "textFile", at);
  }
  // Each file is one record: its absolute path, and its text, decompressed where the name says so. Small files share a task. A record may have
  // 1 GiB.
  RDD<std::pair<std::string, std::string>> wholeTextFiles(std::string_view paths, int minPartitions = 0, CallSite at = CallSite::here()) const {
    return read<std::pair<std::string, std::string>>(paths, {FileForm::Kind::kTexts}, minPartitions, "wholeTextFiles", at);
  }
  // The same with the bytes as they lie in the file. (Spark hands out a PortableDataStream, to be opened where the record is used: its bytes
  // would not fit a Java array. Here the bytes themselves are the record.)
  RDD<std::pair<std::string, std::string>> binaryFiles(std::string_view paths, int minPartitions = 0, CallSite at = CallSite::here()) const {
    return read<std::pair<std::string, std::string>>(paths, {FileForm::Kind::kBytes}, minPartitions, "binaryFiles", at);
  }
  // Records of `length` bytes each, without anything between them. Error(kInvalidArgument): the length is not above 0, or a file's size is no
  // multiple of it.
  RDD<std::string_view> binaryRecords(std::string_view paths, std::int64_t length, CallSite at = CallSite::here()) const {
    return read<std::string_view>(paths, {FileForm::Kind::kRecords, length}, 0, "binaryRecords", at);
  }
  // What saveAsObjectFile and saveAsObjectFiles wrote. A job over it fails with one line if a file was written for another type, is torn, or
  // is none of ours. T may be a type of views.
  template <class T> RDD<T> objectFile(std::string_view paths, int minPartitions = 0, CallSite at = CallSite::here()) const {
    if constexpr (!stores<T>()) return RDD<T>();
    else {
      std::string schema = schemaOf<T>();
      return read<T>(paths, {FileForm::Kind::kObjects, 0, schema}, minPartitions, "objectFile", at);
    }
  }

 private:
  template <class T> RDD<T> read(std::string_view paths, const FileForm& form, int minPartitions, const char* name, CallSite at) const {
    return RDD<T>(addFiles(*static_cast<const Derived*>(this)->core(), paths, form, minPartitions, NodeFacts{name, at, typeDesc<T>()}));
  }
};

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
