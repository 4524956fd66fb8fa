#include "sluice/conf.h"

#include <mutex>

#include "client/conf_reader.h"
#include "client/launch.h"
#include "sluice/error.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace {

void check(const absl::Status& status) {
  if (!status.ok()) throwError(ErrorKind::kInvalidArgument, std::string_view(status.message().data(), status.message().size()));
}

// Without sluice-submit nobody has read the environment yet.
const Settings& started() {
  static std::once_flag once;
  std::call_once(once, [] {
    if (!launch().images && launch().settings.all().empty()) check(launch().settings.readEnvironment());
  });
  return launch().settings;
}

}  // namespace

Settings ConfReader::settings(const Conf& conf) {
  Settings settings = started();
  for (const auto& [key, value] : conf.values_) check(settings.set(key, value, ConfOrigin::kProgram));
  return settings;
}

Conf ConfReader::conf(const Settings& settings) {
  Conf conf;
  conf.values_ = settings.all();
  return conf;
}

Conf& Conf::set(std::string_view key, std::string_view value) {
  Settings trial;
  check(trial.set(key, value, ConfOrigin::kProgram));
  for (auto& [known, old] : values_) {
    if (known == key) {
      old = value;
      return *this;
    }
  }
  values_.emplace_back(key, value);
  return *this;
}

Conf& Conf::setIfMissing(std::string_view key, std::string_view value) { return contains(key) ? *this : set(key, value); }

std::optional<std::string> Conf::find(std::string_view key) const {
  for (const auto& [known, value] : values_) {
    if (known == key) return value;
  }
  return started().text(key);
}

std::string Conf::get(std::string_view key) const {
  if (auto value = find(key)) return *value;
  throwError(ErrorKind::kInvalidArgument, "the setting " + std::string(key) + " has no value; set it, or give a standard one");
}

std::string Conf::get(std::string_view key, std::string_view standard) const { return find(key).value_or(std::string(standard)); }

bool Conf::contains(std::string_view key) const {
  for (const auto& [known, value] : values_) {
    if (known == key) return true;
  }
  return started().isSet(key);
}

std::vector<std::pair<std::string, std::string>> Conf::getAll() const { return ConfReader::settings(*this).all(); }

}  // inline namespace SLUICE_ABI
}  // namespace sluice
