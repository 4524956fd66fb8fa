// Settings of an application or daemon: typed keys over the table in conf_keys.h, merged from program, flags, files and
// environment.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/conf_keys.h"
#include "sluice/abi.h"

namespace sluice {

// Parsing alone; nullopt: not such a value. `unit` is that of a bare number.
SLUICE_INTERNAL std::optional<std::uint64_t> parseSize(std::string_view text,
                                                       std::string_view unit = "b");  // bytes: 512m, 1g, 64MiB
SLUICE_INTERNAL std::optional<std::int64_t> parseTimeMs(std::string_view text,
                                                        std::string_view unit = "ms");  // 200ms, 2s, 1min, 1h
SLUICE_INTERNAL std::optional<bool> parseFlag(std::string_view text);
// Whether the text is this word, in whatever case.
SLUICE_INTERNAL bool isWord(std::string_view text, std::string_view word);

// Where a value comes from; a later one in this list wins, whichever is read first.
enum class ConfOrigin : std::uint8_t { kEnvironment, kFile, kFlag, kProgram };

// A value type, not synchronised. Everything is checked when it is set, so reading never fails.
class SLUICE_INTERNAL Settings {
 public:
  // Refuses values that their key cannot hold, sluice. keys that do not exist (naming the nearest) and spark. keys
  // (naming ours), each in one line that begins with `where` (a file and line, a flag). Keys of others and known keys
  // without meaning here are kept out and warned of.
  absl::Status set(std::string_view key, std::string_view value, ConfOrigin origin, std::string_view where = {});
  absl::Status setPair(std::string_view pair, ConfOrigin origin,
                       std::string_view where = {});  // "key=value", as after --conf
  // Lines `key value`, `key=value` or `key: value`; # and ! begin comments. A missing file is an error.
  absl::Status readFile(const std::string& path);
  // SLUICE_MASTER, SLUICE_EXECUTOR_MEMORY, SLUICE_EXECUTOR_CORES, SLUICE_LOCAL_DIR, SLUICE_WORK_DIR, SLUICE_AUTHENTICATE_SECRET_FILE.
  absl::Status readEnvironment(const std::function<const char*(const char*)>& get = nullptr);

  template <class T>
  T get(const Key<T>& key) const {
    return find(key).value_or(T{});
  }
  // The value set, else the standard one; nullopt if the key has none.
  template <class T>
  std::optional<T> find(const Key<T>& key) const;
  bool isSet(std::string_view key) const { return values_.contains(std::string(key)); }
  // As text, also for keys of others (no checks): nullopt if not set and without a standard.
  std::optional<std::string> text(std::string_view key) const;

  // Of a key whose value is a number: 0 if it is not set.
  double number(std::string_view key) const;

  // What travels to master and executors, key=value: all but where this host has the cluster's secret.
  std::vector<std::string> travelling() const;
  // What was set, in order of key.
  std::vector<std::pair<std::string, std::string>> all() const;
  // The same for people to read: what is secret by sluice.redaction.regex is left out.
  std::vector<std::pair<std::string, std::string>> shown() const;
  // "KEY=VALUE" likewise; other texts as they are.
  std::string shown(const std::string& argument) const;
  const std::vector<std::string>& warnings() const { return warnings_; }
  // The table, for `--help conf`.
  static std::string help();

 private:
  struct Value {
    std::string text;
    ConfOrigin origin;
  };
  std::map<std::string, Value> values_;
  std::vector<std::string> warnings_;
};

template <>
SLUICE_INTERNAL std::optional<std::string> Settings::find(const Key<std::string>& key) const;
template <>
SLUICE_INTERNAL std::optional<bool> Settings::find(const Key<bool>& key) const;
template <>
SLUICE_INTERNAL std::optional<std::int64_t> Settings::find(const Key<std::int64_t>& key) const;
template <>
SLUICE_INTERNAL std::optional<double> Settings::find(const Key<double>& key) const;
template <>
SLUICE_INTERNAL std::optional<ByteCount> Settings::find(const Key<ByteCount>& key) const;
template <>
SLUICE_INTERNAL std::optional<Duration> Settings::find(const Key<Duration>& key) const;

}  // namespace sluice
