// The driver's values of accumulators, by id. One registry for the process: a handle is a number.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "sluice/accumulator.h"

namespace sluice {

// Thread-safe.
class AccumulatorRegistry {
 public:
  static AccumulatorRegistry& get();
  std::uint64_t add(detail::AccumulatorValue* value, std::string_view name);  // owned
  std::string nameOf(std::uint64_t id);
  // Adds an encoded partial value; unknown ids are those of a context that is gone.
  void merge(std::uint64_t id, std::string_view encoded);
  void with(std::uint64_t id, void (*use)(detail::AccumulatorValue&, void*), void* argument);

 private:
  std::mutex mutex_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, std::unique_ptr<detail::AccumulatorValue>> values_;
  std::map<std::uint64_t, std::string> names_;
};

}  // namespace sluice
