#include "client/local_properties.h"

#include <utility>

namespace sluice {
namespace {

struct OfThread {
  std::uint64_t context = 0;
  LocalProperties::Ref properties;  // changed by copying: jobs hold what was said when they began
};
OfThread& ofThread(std::uint64_t context) {
  thread_local OfThread properties;
  if (properties.context != context) properties = {context, nullptr};
  return properties;
}

}  // namespace

LocalProperties::Ref LocalProperties::of(std::uint64_t context) { return ofThread(context).properties; }

std::optional<std::string> LocalProperties::get(std::uint64_t context, std::string_view key) {
  const Ref& properties = ofThread(context).properties;
  if (!properties) return std::nullopt;
  auto found = properties->find(key);
  return found == properties->end() ? std::nullopt : std::optional(found->second);
}

void LocalProperties::set(std::uint64_t context, std::string_view key, std::optional<std::string_view> value) {
  Ref& properties = ofThread(context).properties;
  auto changed = properties ? std::make_shared<Map>(*properties) : std::make_shared<Map>();
  if (value) (*changed)[std::string(key)] = *value;
  else changed->erase(std::string(key));
  properties = changed->empty() ? nullptr : std::move(changed);
}

LocalProperties::Ref LocalProperties::withoutGroup(const Ref& properties) {
  if (!properties) return nullptr;
  auto left = std::make_shared<Map>(*properties);
  for (const char* key : {kGroup, kDescription, kInterrupt}) left->erase(key);
  return left->empty() ? nullptr : left;
}

LocalProperties::Scope::Scope(std::uint64_t context, Ref properties)
    : context_(context), outer_(std::exchange(ofThread(context).properties, std::move(properties))) {}
LocalProperties::Scope::~Scope() { ofThread(context_).properties = std::move(outer_); }

std::string_view propertyOf(const LocalProperties::Ref& properties, std::string_view key) {
  if (!properties) return {};
  auto found = properties->find(key);
  return found == properties->end() ? std::string_view() : found->second;
}

bool hasTag(const LocalProperties::Ref& properties, std::string_view tag) {
  std::string_view tags = propertyOf(properties, LocalProperties::kTags);
  while (!tags.empty()) {
    auto comma = tags.find(',');
    if (tags.substr(0, comma) == tag) return true;
    tags = comma == std::string_view::npos ? std::string_view() : tags.substr(comma + 1);
  }
  return false;
}

void addProperties(const LocalProperties::Ref& properties, google::protobuf::RepeatedPtrField<proto::Property>& to) {
  if (!properties) return;
  for (const auto& [key, value] : *properties) {
    auto* property = to.Add();
    property->set_key(key), property->set_value(value);
  }
}

}  // namespace sluice
