// What the engine must know of a record type: functions over arrays of records, so that it calls once per chunk.
// A TypeDesc is a constant in the image (module or libsluice) that made it, and travels as (image, offset).
#pragma once
#include <cstddef>
#include <cstdint>

#include "sluice/buffer.h"

namespace sluice {
inline namespace SLUICE_ABI {

struct TypeDesc {
  static constexpr std::uint64_t kMagic = 0x5364'7079'5474'6c53;
  enum Flags : std::uint32_t {
    kViews = 1,  // records point into memory of the task (std::string_view)
    kKeyed = 2,  // keyHash is set
  };

  std::uint64_t magic;
  const char* name;  // the type as a person would write it; part of the shape hash and of checkpoints
  std::uint32_t size, align, flags;

  void (*destroy)(void* records, std::size_t n);
  void (*copy)(void* to, const void* from, std::size_t n);  // copy-constructs n records
  // Appends n rows, positional, without separators (the format of blocks, segments, state and results).
  void (*encode)(const void* records, std::size_t n, Buffer& out);
  // Constructs up to n records from the rows at `at`; views point into the rows. Returns where it stopped.
  // Throws Error(kLost) when the rows end in the middle of a record or a length does not fit.
  const char* (*decode)(const char* at, const char* end, void* to, std::size_t n);
  // The frozen hash of each record's key (record.first of a pair; the record itself if kKeyed and no pair).
  void (*keyHash)(const void* records, std::size_t n, std::uint64_t* out);
  // Appends row i to outs[to[i]] and counts it in counts[to[i]].
  void (*scatter)(const void* records, std::size_t n, const std::uint32_t* to, Buffer* outs, std::uint64_t* counts);
  // As Spark prints it: (hello,3), [a,b], Some(x).
  void (*print)(const void* record, Buffer& out);
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
