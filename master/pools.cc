#include "master/pools.h"

#include <memory>
#include <string>

namespace sluice::master {

bool isFair(const Settings& conf) { return isWord(conf.get(conf::kSchedulerMode), "FAIR"); }

std::string_view propertyOf(const Instance& instance, std::string_view key) {
  if (!instance.properties) return {};
  for (const auto& property : *instance.properties) {
    if (property.key() == key) return property.value();
  }
  return {};
}

void schedule(const App& app, Instance& instance, std::uint64_t order) {
  instance.order = order;
  if (!app.fair) return;
  std::string name(propertyOf(instance, "sluice.scheduler.pool"));
  if (name.empty()) name = "default";
  auto number = [&](const char* what, std::uint32_t standard) {
    auto text = app.conf.text("sluice.scheduler.pool." + name + "." + what);
    return text ? std::uint32_t(std::strtoul(text->c_str(), nullptr, 10)) : standard;  // checked when it was set
  };
  auto pool = std::make_shared<proto::Pool>();
  pool->set_name(name);
  pool->set_weight(number("weight", 1)), pool->set_min_share(number("minShare", 0));
  pool->set_fair(isWord(app.conf.text("sluice.scheduler.pool." + name + ".mode").value_or(""), "FAIR"));
  instance.pool = std::move(pool);
}

}  // namespace sluice::master
