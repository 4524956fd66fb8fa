// A sorted map on disk, of one process and for as long as it runs: what a state lies in that is larger than memory. libsluice_rocksdb has one.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/abi.h"

namespace sluice {

// The map as it was at a time; it stays so. Any thread.
class StateDbView {
 public:
  virtual ~StateDbView() = default;
  // Calls see(key, value) for the keys in [from, to), in order, until it returns false. Views are valid during the call.
  virtual void scan(std::string_view from, std::string_view to, const std::function<bool(std::string_view, std::string_view)>& see) const = 0;
};

// Written by one thread at a time. Everything throws Error(kUnavailable), in one line, if the disk fails.
class StateDb {
 public:
  struct Change {
    std::string key;
    std::string value;
    bool removed = false;
  };
  virtual ~StateDb() = default;
  virtual bool get(std::string_view key, std::string& value) = 0;
  // All or none, visible at once. Not durable: a restarted process begins from a checkpoint.
  virtual void write(const std::vector<Change>& changes) = 0;
  virtual void removeRange(std::string_view from, std::string_view to) = 0;
  // Keeps the map open until it is gone.
  virtual std::shared_ptr<const StateDbView> view() = 0;
};

// Opens a new one in a directory that does not exist yet; it is removed with the last view.
using StateDbOpener = std::function<std::shared_ptr<StateDb>(const std::string& directory)>;

// That of libsluice_rocksdb. Throws Error(kUnavailable) if the library cannot be loaded.
SLUICE_INTERNAL StateDbOpener rocksdbStates();

}  // namespace sluice
