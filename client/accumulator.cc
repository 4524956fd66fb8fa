#include "sluice/accumulator.h"

#include "client/accumulator_registry.h"

namespace sluice {

AccumulatorRegistry& AccumulatorRegistry::get() {
  static auto* registry = new AccumulatorRegistry;
  return *registry;
}

std::uint64_t AccumulatorRegistry::add(detail::AccumulatorValue* value, std::string_view name) {
  std::lock_guard lock(mutex_);
  values_[++last_].reset(value);
  if (!name.empty()) names_[last_] = name;
  return last_;
}

std::string AccumulatorRegistry::nameOf(std::uint64_t id) {
  std::lock_guard lock(mutex_);
  auto it = names_.find(id);
  return it == names_.end() ? "" : it->second;
}

void AccumulatorRegistry::merge(std::uint64_t id, std::string_view encoded) {
  std::lock_guard lock(mutex_);
  if (auto it = values_.find(id); it != values_.end()) it->second->merge(encoded);
}

void AccumulatorRegistry::with(std::uint64_t id, void (*use)(detail::AccumulatorValue&, void*), void* argument) {
  std::lock_guard lock(mutex_);
  auto it = values_.find(id);
  if (it == values_.end()) {
    throwError(ErrorKind::kIllegalState, "this accumulator is not of this process; make it with Context::accumulator in the driver");
  }
  use(*it->second, argument);
}

inline namespace SLUICE_ABI {
namespace detail {

AccumulatorValue::~AccumulatorValue() = default;
std::uint64_t newAccumulator(AccumulatorValue* value, std::string_view name) { return AccumulatorRegistry::get().add(value, name); }
std::string nameOfAccumulator(std::uint64_t id) { return AccumulatorRegistry::get().nameOf(id); }
void withAccumulator(std::uint64_t id, void (*use)(AccumulatorValue&, void*), void* argument) { AccumulatorRegistry::get().with(id, use, argument); }

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
