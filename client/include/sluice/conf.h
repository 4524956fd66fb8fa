// Settings of an application, as the program names them. They go over flags, files and environment.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/abi.h"

namespace sluice {
inline namespace SLUICE_ABI {

// A value type; one thread uses an object. Begins with what sluice-submit was told, if it started this process.
class SLUICE_EXPORT Conf {
 public:
  // Keys and values are checked here: Error(kInvalidArgument) for a sluice. key that does not exist or a value it cannot hold. Keys of
  // others are kept as they are.
  Conf& set(std::string_view key, std::string_view value);
  Conf& set(std::string_view key, const char* value) { return set(key, std::string_view(value)); }
  Conf& set(std::string_view key, bool value) { return set(key, std::string_view(value ? "true" : "false")); }
  template <class T> requires(std::is_arithmetic_v<T>) Conf& set(std::string_view key, T value) { return set(key, std::string_view(std::to_string(value))); }
  // Unless the program has set it before.
  Conf& setIfMissing(std::string_view key, std::string_view value);
  // The name that logs and lists show. Default: that of the SLUICE_APPLICATION, or of the executable.
  Conf& setAppName(std::string_view name) { return set("sluice.app.name", name); }
  // local[N], local[N,F] (F tries of a task), local[*], local-cluster[workers,cores,memoryMb] or sluice://HOST:PORT[,HOST:PORT]. Goes over
  // --master: an application that is submitted leaves it out.
  Conf& setMaster(std::string_view master) { return set("sluice.master", master); }

  // Of the program, else of flags, files and environment, else the standard one.
  std::optional<std::string> find(std::string_view key) const;
  // Throws Error(kInvalidArgument) if there is none.
  std::string get(std::string_view key) const;
  std::string get(std::string_view key, std::string_view standard) const;
  // Whether find() finds something.
  bool contains(std::string_view key) const;
  // What the program has set, in the order of setting.
  std::vector<std::pair<std::string, std::string>> getAll() const;

 private:
  friend class ConfReader;
  std::vector<std::pair<std::string, std::string>> values_;  // of the program, in the order of setting
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
