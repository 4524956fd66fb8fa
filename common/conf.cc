#include "common/conf.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <numeric>
#include <regex>

namespace sluice {
namespace {

constexpr std::string_view kPrefix = "sluice.", kSparkPrefix = "spark.";

// Keys that a Spark user may bring along and that mean nothing here. A name ending in '.' stands for all below it.
struct Meaningless {
  std::string_view name, why;
};
constexpr Meaningless kMeaningless[] = {
    {"serializer", "records are encoded by their types"},
    {"kryo.", "records are encoded by their types"},
    {"kryoserializer.", "records are encoded by their types"},
    {"memory.", "an executor has one budget, sluice.executor.memory"},
    {"executor.memoryOverhead", "an executor has one budget, sluice.executor.memory"},
    {"executor.extraJavaOptions", "there is no virtual machine"},
    {"driver.extraJavaOptions", "there is no virtual machine"},
    {"driver.memory", "a driver takes what it needs"},
    {"driver.cores", "a driver takes no slot"},
    {"task.cpus", "a task takes one slot"},
    {"worker.resource.", "of a resource there are .amount and .discoveryScript"},
    {"executor.resource.", "of a resource there are .amount and .discoveryScript"},
    {"driver.resource.", "of a resource there are .amount and .discoveryScript"},
    {"task.resource.", "of a task's resource there is .amount"},
    {"resources.discoveryPlugin", "resources are found by the discoveryScript of each"},
    {"executor.heartbeatInterval", "the sessions of executors tell whether they live"},
    {"driver.host", "nobody dials a driver"},
    {"driver.port", "nobody dials a driver"},
    {"driver.bindAddress", "nobody dials a driver"},
    {"blockManager.port", "executors take any port that is free"},
    {"port.maxRetries", "a port that is in use is an error; name another one, or 0 for any that is free"},
    {"files.", "files are shipped by Context::addFile, and need no settings"},
    {"authenticate.enableSaslEncryption", "what is sent among those who know the secret is always encrypted"},
    {"ssl.", "links are encrypted with the secret of sluice.authenticate.secret.file"},
    {"network.crypto.", "links are encrypted with the secret of sluice.authenticate.secret.file"},
    {"io.encryption.", "what is spilled is not encrypted; encrypt the disk of sluice.local.dir"},
    {"redaction.", "there is sluice.redaction.regex, for keys"},
    {"logConf", "sluice-submit --verbose shows the settings"},
    {"python.", "there is no Python here"},
    {"pyspark.", "there is no Python here"},
    {"jars", "files that an application needs are shipped with its module"},
    {"shuffle.", "nothing else can be set of shuffles"},
    {"rdd.compress", "what is kept is stored as encoded rows"},
    {"io.compression.", "compression is chosen by where the bytes go"},
    {"broadcast.", "blocks of broadcast values always have checksums, and are not compressed; sluice.broadcast.blockSize is theirs"},
    {"locality.", "tasks run where their input lies, or would rather be, as far as that holds nobody up: there is no wait"},
    {"rpc.", "the transport needs no settings"},
    {"network.", "the transport needs no settings"},
    {"scheduler.allocation.file", "pools are set by sluice.scheduler.pool.NAME.weight, .minShare and .mode"},
    {"scheduler.", "nothing else can be set of the scheduler"},
    {"hadoop.", "there is no Hadoop here"},
    {"yarn.", "there is no YARN here"},
    {"sql.", "there is no SQL in this version"},
    {"speculation", "slow tasks are not run twice in this version"},
    {"speculation.", "slow tasks are not run twice in this version"},
    {"dynamicAllocation.", "an application keeps its executors in this version"},
    {"eventLog.", "there is no event log in this version"},
    {"history.", "there is no history server in this version"},
    {"ui.", "there is no web page of applications in this version"},
    {"metrics.", "there are no metrics sinks in this version"},
    {"streaming.concurrentJobs", "the outputs of a batch are made side by side, and functions of the driver hold up no later batch"},
    {"streaming.concurrentBatches", "the batches of a stream run one after the other in this version"},
    {"streaming.unpersist", "what no batch can ask for any more is always released"},
    {"streaming.minRememberDuration", "use sluice.streaming.fileStream.minRememberDuration"},
    {"streaming.receiver.writeAheadLog.", "received blocks are replicated instead"},
    {"streaming.dynamicAllocation.", "an application keeps its executors in this version"},
    {"streaming.kafka.", "there is no Kafka source in this version"},
    {"streaming.ui.", "there is no web page of applications in this version"},
};

constexpr std::string_view kPools = "scheduler.pool.";

// NAME in a key's name is any word without a point.
bool matches(std::string_view name, std::string_view key) {
  auto at = key.find("NAME");
  if (at == std::string_view::npos) return name == key;
  std::string_view head = key.substr(0, at), tail = key.substr(at + 4);
  if (name.size() <= head.size() + tail.size() || !name.starts_with(head) || !name.ends_with(tail)) return false;
  return name.substr(at, name.size() - head.size() - tail.size()).find('.') == std::string_view::npos;
}

const ConfKey* findKey(std::string_view name) {
  for (const ConfKey& key : kConfKeys) {
    if (matches(name, key.name)) return &key;
  }
  return nullptr;
}

const Meaningless* findMeaningless(std::string_view tail) {
  for (const auto& entry : kMeaningless) {
    if (entry.name.ends_with('.') ? tail.starts_with(entry.name) : tail == entry.name) return &entry;
  }
  return nullptr;
}

bool sameLetter(char a, char b) {
  return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
}

std::size_t editDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j) {
      std::size_t above = row[j + 1];
      row[j + 1] = std::min({above + 1, row[j] + 1, diagonal + (sameLetter(a[i], b[j]) ? 0 : 1)});
      diagonal = above;
    }
  }
  return row.back();
}

constexpr std::size_t kLongestShown = 200;

// As much of a text as a message repeats.
std::string repeated(std::string_view text) {
  return text.size() <= kLongestShown ? std::string(text) : std::string(text.substr(0, kLongestShown)) + "...";
}

std::string nearest(std::string_view name) {
  if (name.size() > kLongestShown) return "";
  const ConfKey* best = nullptr;
  std::size_t bestDistance = SIZE_MAX;
  for (const ConfKey& key : kConfKeys) {
    std::size_t distance = editDistance(name, key.name);
    if (distance < bestDistance) best = &key, bestDistance = distance;
  }
  return bestDistance <= std::max<std::size_t>(3, name.size() / 3) ? best->name : "";
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = char(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

// A number and what stands behind it: "64MiB" -> 64, "mib".
std::optional<std::pair<double, std::string>> numberAndUnit(std::string_view text) {
  text = trim(text);
  double number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc() || !(number >= 0)) return std::nullopt;
  return std::pair(number, lower(trim(text.substr(std::size_t(end - text.data())))));
}

std::optional<double> scaled(std::string_view text, std::string_view bareUnit,
                             std::initializer_list<std::pair<std::string_view, double>> units) {
  auto parsed = numberAndUnit(text);
  if (!parsed) return std::nullopt;
  std::string_view unit = parsed->second.empty() ? bareUnit : std::string_view(parsed->second);
  for (const auto& [name, factor] : units) {
    double value = parsed->first * factor;
    if (name == unit) return value < 9e18 ? std::optional(value) : std::nullopt;
  }
  return std::nullopt;
}

std::optional<std::int64_t> parseCount(std::string_view text) {
  text = trim(text);
  std::int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<double> parseNumber(std::string_view text) {
  auto parsed = numberAndUnit(text);
  return parsed && parsed->second.empty() && std::isfinite(parsed->first) ? std::optional(parsed->first) : std::nullopt;
}

// nullopt: it is no regular expression.
std::optional<std::regex> secrets(std::string_view pattern) {
  try {
    return std::regex(pattern.begin(), pattern.end(), std::regex::ECMAScript | std::regex::icase);
  } catch (const std::regex_error&) {
    return std::nullopt;
  }
}

// Why the value cannot be this key's; empty: it can.
std::string complaint(const ConfKey& key, std::string_view value) {
  switch (key.type) {
    case ConfType::kText: {
      std::string choices;
      for (std::string_view rest = key.unit; !rest.empty();) {
        auto end = std::min(rest.find('|'), rest.size());
        if (isWord(value, rest.substr(0, end))) return "";
        choices += (choices.empty() ? "" : " or ") + std::string(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
      }
      if (!choices.empty()) return "is not " + choices;
      return std::string_view(key.name) != conf::kRedactionRegex.entry.name || secrets(value) ? "" : "is no regular expression (ECMAScript's)";
    }
    case ConfType::kFlag:
      return parseFlag(value) ? "" : "is neither true nor false";
    case ConfType::kCount: {
      auto count = parseCount(value);
      if (std::string_view(key.unit) == "0") return count && *count >= 0 ? "" : "is not a whole number from 0 on";
      return count && *count > 0 ? "" : "is not a positive whole number";
    }
    case ConfType::kNumber: {
      auto number = parseNumber(value);
      if (std::string_view(key.unit) == "0") return number ? "" : "is not a number from 0 on";
      return number && *number > 0 ? "" : "is not a number above 0";
    }
    case ConfType::kSize:
      return parseSize(value, key.unit) ? "" : "is not a size; write a number and a unit, such as 512m or 1g";
    case ConfType::kTime: {
      auto ms = parseTimeMs(value, key.unit);
      if (!ms) return "is not a time; write a number and a unit, such as 200ms, 2s or 1m";
      return *ms == 0 && std::string_view(key.name) == conf::kBlockInterval.entry.name ? "is no time between blocks; it must be above 0" : "";
    }
  }
  return "";
}

absl::Status refuse(std::string_view where, const std::string& what) {
  std::string line = where.empty() ? what : std::string(where) + ": " + what;
  return absl::InvalidArgumentError(line);
}

const char* typeName(ConfType type) {
  switch (type) {
    case ConfType::kText:
      return "text";
    case ConfType::kFlag:
      return "true or false";
    case ConfType::kCount:
      return "whole number";
    case ConfType::kNumber:
      return "number";
    case ConfType::kSize:
      return "size";
    case ConfType::kTime:
      return "time";
  }
  return "";
}

}  // namespace

std::optional<std::uint64_t> parseSize(std::string_view text, std::string_view unit) {
  constexpr double k = 1024, m = k * k, g = m * k, t = g * k, p = t * k;
  auto bytes = scaled(text, unit,
                      {{"b", 1},
                       {"k", k},
                       {"kb", k},
                       {"kib", k},
                       {"m", m},
                       {"mb", m},
                       {"mib", m},
                       {"g", g},
                       {"gb", g},
                       {"gib", g},
                       {"t", t},
                       {"tb", t},
                       {"tib", t},
                       {"p", p},
                       {"pb", p},
                       {"pib", p}});
  return bytes ? std::optional(std::uint64_t(*bytes)) : std::nullopt;
}

std::optional<std::int64_t> parseTimeMs(std::string_view text, std::string_view unit) {
  constexpr double s = 1000, m = 60 * s, h = 60 * m, d = 24 * h;
  auto ms =
      scaled(text, unit, {{"us", 1e-3}, {"ms", 1}, {"s", s}, {"sec", s}, {"m", m}, {"min", m}, {"h", h}, {"d", d}});
  // What is less than a millisecond cannot be told from nothing.
  if (!ms || (*ms > 0 && *ms < 1)) return std::nullopt;
  return std::int64_t(*ms);
}

bool isWord(std::string_view text, std::string_view word) {
  text = trim(text);
  return text.size() == word.size() && std::equal(text.begin(), text.end(), word.begin(), sameLetter);
}

std::optional<bool> parseFlag(std::string_view text) {
  std::string value = lower(trim(text));
  if (value == "true") return true;
  if (value == "false") return false;
  return std::nullopt;
}

absl::Status Settings::set(std::string_view name, std::string_view value, ConfOrigin origin, std::string_view where) {
  std::string key(trim(name));
  value = trim(value);
  if (key.starts_with(kSparkPrefix)) {
    std::string ours = std::string(kPrefix) + key.substr(kSparkPrefix.size());
    const Meaningless* without = findKey(ours) ? nullptr : findMeaningless(std::string_view(ours).substr(kPrefix.size()));
    if (without) return refuse(where, repeated(key) + " has no counterpart here (" + std::string(without->why) + "); remove it");
    std::string near = findKey(ours) ? ours : nearest(ours);
    if (near.empty()) return refuse(where, repeated(key) + " has no counterpart here; remove it (--help conf lists all keys)");
    return refuse(where, repeated(key) + " is Spark's name; write " + near);
  }
  if (!key.starts_with(kPrefix)) {
    warnings_.push_back((where.empty() ? "" : std::string(where) + ": ") + repeated(key) +
                        " is ignored: keys of Sluice begin with sluice." +
                        (findKey(std::string(kPrefix) + key) ? "; did you mean sluice." + key + "?" : ""));
    return absl::OkStatus();
  }
  const ConfKey* entry = findKey(key);
  if (!entry) {
    if (std::string_view tail = key; tail.substr(kPrefix.size()).starts_with(kPools)) {
      return refuse(where, "unknown key " + repeated(key) + "; pools are set by sluice.scheduler.pool.NAME.weight, .minShare and .mode, where NAME has no point");
    }
    if (const Meaningless* without = findMeaningless(std::string_view(key).substr(kPrefix.size()))) {
      warnings_.push_back((where.empty() ? "" : std::string(where) + ": ") + key +
                          " is ignored: " + std::string(without->why));
      return absl::OkStatus();
    }
    std::string near = nearest(key);
    return refuse(
        where, "unknown key " + repeated(key) + (near.empty() ? "; --help conf lists all keys" : "; did you mean " + near + "?"));
  }
  // Not what somebody would write who wants no secret; rather a variable that was not set.
  if (value.empty() && key == conf::kAuthenticateSecretFile.entry.name) {
    return refuse(where, key + " is empty; name a file, or say sluice.authenticate=false");
  }
  if (!value.empty() || entry->type != ConfType::kText) {
    if (std::string why = complaint(*entry, value); !why.empty())
      return refuse(where, key + "=" + repeated(value) + " " + why);
  }
  auto [it, fresh] = values_.try_emplace(key, Value{std::string(value), origin});
  if (!fresh && origin >= it->second.origin) it->second = {std::string(value), origin};
  return absl::OkStatus();
}

absl::Status Settings::setPair(std::string_view pair, ConfOrigin origin, std::string_view where) {
  std::size_t at = pair.find('=');
  if (at == std::string_view::npos || trim(pair.substr(0, at)).empty()) {
    return refuse(where, "\"" + repeated(pair) + "\" is not of the form key=value");
  }
  return set(pair.substr(0, at), pair.substr(at + 1), origin, where);
}

absl::Status Settings::readFile(const std::string& path) {
  std::ifstream file(path);
  if (!file) return absl::NotFoundError("cannot read " + path + ": " + std::strerror(errno));
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    std::string_view text = trim(line);
    if (text.empty() || text.front() == '#' || text.front() == '!') continue;
    std::string where = path + ":" + std::to_string(number);
    std::size_t end = 0;
    while (end < text.size() && !std::isspace(static_cast<unsigned char>(text[end])) && text[end] != '=' &&
           text[end] != ':')
      ++end;
    std::string_view value = trim(text.substr(end));
    if (end == 0 || value.empty()) return refuse(where, "\"" + repeated(text) + "\" is not of the form key value");
    if (value.front() == '=' || value.front() == ':') value = trim(value.substr(1));
    if (auto status = set(text.substr(0, end), value, ConfOrigin::kFile, where); !status.ok()) return status;
  }
  if (file.bad()) return absl::UnavailableError("cannot read " + path + ": " + std::strerror(errno));
  return absl::OkStatus();
}

absl::Status Settings::readEnvironment(const std::function<const char*(const char*)>& get) {
  constexpr std::pair<const char*, const char*> kNames[] = {
      {"SLUICE_MASTER", conf::kMaster.entry.name},
      {"SLUICE_EXECUTOR_MEMORY", conf::kExecutorMemory.entry.name},
      {"SLUICE_EXECUTOR_CORES", conf::kExecutorCores.entry.name},
      {"SLUICE_LOCAL_DIR", conf::kLocalDir.entry.name},
      {"SLUICE_WORK_DIR", conf::kWorkDir.entry.name},
      {"SLUICE_AUTHENTICATE_SECRET_FILE", conf::kAuthenticateSecretFile.entry.name}};
  for (const auto& [variable, key] : kNames) {
    const char* value = get ? get(variable) : std::getenv(variable);
    if (!value || !*value) continue;
    if (auto status = set(key, value, ConfOrigin::kEnvironment, "environment variable " + std::string(variable));
        !status.ok())
      return status;
  }
  return absl::OkStatus();
}

std::optional<std::string> Settings::text(std::string_view key) const {
  auto it = values_.find(std::string(key));
  if (it != values_.end()) return it->second.text;
  const ConfKey* entry = findKey(key);
  return entry && *entry->standard ? std::optional<std::string>(entry->standard) : std::nullopt;
}

template <>
std::optional<std::string> Settings::find(const Key<std::string>& key) const {
  return text(key.entry.name);
}
template <>
std::optional<bool> Settings::find(const Key<bool>& key) const {
  auto value = text(key.entry.name);
  return value ? parseFlag(*value) : std::nullopt;
}
template <>
std::optional<std::int64_t> Settings::find(const Key<std::int64_t>& key) const {
  auto value = text(key.entry.name);
  return value ? parseCount(*value) : std::nullopt;
}
template <>
std::optional<double> Settings::find(const Key<double>& key) const {
  auto value = text(key.entry.name);
  return value ? parseNumber(*value) : std::nullopt;
}
template <>
std::optional<ByteCount> Settings::find(const Key<ByteCount>& key) const {
  auto value = text(key.entry.name);
  auto bytes = value ? parseSize(*value, key.entry.unit) : std::nullopt;
  return bytes ? std::optional(ByteCount{*bytes}) : std::nullopt;
}
template <>
std::optional<Duration> Settings::find(const Key<Duration>& key) const {
  auto value = text(key.entry.name);
  auto ms = value ? parseTimeMs(*value, key.entry.unit) : std::nullopt;
  return ms ? std::optional(Duration(*ms)) : std::nullopt;
}

std::vector<std::string> Settings::travelling() const {
  std::vector<std::string> pairs;
  for (const auto& [key, value] : values_) {
    if (key != conf::kAuthenticate.entry.name && key != conf::kAuthenticateSecretFile.entry.name) pairs.push_back(key + "=" + value.text);
  }
  return pairs;
}

double Settings::number(std::string_view key) const {
  auto value = text(key);
  return value ? parseNumber(*value).value_or(0) : 0;
}

std::vector<std::pair<std::string, std::string>> Settings::all() const {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const auto& [key, value] : values_) pairs.emplace_back(key, value.text);
  return pairs;
}

constexpr const char* kRedacted = "*********(redacted)";

std::vector<std::pair<std::string, std::string>> Settings::shown() const {
  auto secret = secrets(get(conf::kRedactionRegex));
  auto pairs = all();
  for (auto& [key, value] : pairs) {
    if (key != conf::kRedactionRegex.entry.name && secret && std::regex_search(key, *secret)) value = kRedacted;
  }
  return pairs;
}

std::string Settings::shown(const std::string& argument) const {
  auto secret = secrets(get(conf::kRedactionRegex));
  std::size_t end = argument.find('=');
  bool hidden = end != std::string::npos && secret && std::regex_search(argument.begin(), argument.begin() + std::ptrdiff_t(end), *secret);
  return hidden ? argument.substr(0, end + 1) + kRedacted : argument;
}

std::string Settings::help() {
  std::string out = "Settings, by --conf KEY=VALUE, --properties-file, conf/sluice-defaults.conf or in the program:\n";
  for (const ConfKey& key : kConfKeys) {
    out += "  " + std::string(key.name) + "\n      " + key.doc + ".\n      " + typeName(key.type);
    if (key.type == ConfType::kText && *key.unit) out += std::string(", one of ") + key.unit;
    if (*key.unit && (key.type == ConfType::kSize || key.type == ConfType::kTime))
      out += std::string(", bare numbers in ") + (std::string_view(key.unit) == "b"   ? "bytes"
                                                  : std::string_view(key.unit) == "m" ? "MiB"
                                                                                      : key.unit);
    out += *key.standard ? std::string("; standard: ") + key.standard + "\n" : "; not set by standard\n";
  }
  return out;
}

}  // namespace sluice
