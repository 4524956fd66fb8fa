#include "common/preferred_places.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace sluice {

bool hasPlaces(const proto::Node& node) {
  if (node.kind() != proto::NODE_SOURCE || node.source().kind() != proto::SOURCE_STATIC) return false;
  const auto& inputs = node.source().inputs();
  return std::any_of(inputs.begin(), inputs.end(), [](const auto& input) { return input.places_size() > 0; });
}

std::vector<std::string> preferredPlaces(const PlanView& view, const TaskReads& reads, std::uint32_t shift) {
  std::vector<std::pair<std::string, int>> named;
  for (const auto& source : reads.sources) {
    const auto& node = view.node(source.node);
    if (node.source().kind() != proto::SOURCE_STATIC || source.partition + shift >= std::uint32_t(node.source().inputs_size())) continue;
    for (const auto& place : node.source().inputs(int(source.partition + shift)).places()) {
      if (place.empty()) continue;
      auto known = std::find_if(named.begin(), named.end(), [&](const auto& entry) { return entry.first == place; });
      if (known == named.end()) named.emplace_back(place, 1);
      else ++known->second;
    }
  }
  int most = 0;
  for (const auto& [place, times] : named) most = std::max(most, times);
  std::vector<std::string> places;
  for (auto& [place, times] : named) {
    if (times == most) places.push_back(std::move(place));
  }
  return places;
}

NamedPlace parsePlace(std::string_view place) {
  constexpr std::string_view kPrefix = "executor_";
  auto last = place.rfind('_');
  if (!place.starts_with(kPrefix) || last < kPrefix.size()) return {place};
  NamedPlace named{place.substr(kPrefix.size(), last - kPrefix.size())};
  std::string_view id = place.substr(last + 1);
  auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), named.executor);
  return error == std::errc() && end == id.data() + id.size() && !id.empty() ? named : NamedPlace{place};
}

}  // namespace sluice
