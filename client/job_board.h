// What the driver knows of its jobs, and of what the master tells of them while somebody watches.
#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/local_properties.h"
#include "proto/link.pb.h"
#include "sluice/abi.h"

namespace sluice {

// Thread-safe. Job numbers begin with 1 and come one after the other.
class SLUICE_INTERNAL JobBoard {
 public:
  enum class End : std::uint8_t { kNotYet, kWell, kFailed };
  struct Job {
    std::uint64_t number = 0;
    LocalProperties::Ref properties;
    std::vector<std::uint32_t> stages;
    End end = End::kNotYet;
  };

  void began(std::uint64_t number, const LocalProperties::Ref& properties);
  void ended(std::uint64_t number, bool well, const google::protobuf::RepeatedField<std::uint32_t>& stages);
  // nowMs: of any clock that activeStages() is asked by as well.
  void take(const proto::Progress& progress, std::int64_t nowMs);

  // Whether the master has told anything yet.
  bool told() const;
  std::vector<std::int64_t> ofGroup(const std::string_view* group) const;  // null: of none
  std::vector<std::int64_t> active() const;
  std::optional<Job> job(std::int64_t number) const;
  std::optional<proto::Progress::Stage> stage(std::uint32_t id) const;
  // Of which some tasks run, or have ended, and not all; that were begun so long ago at least; by id.
  std::vector<proto::Progress::Stage> activeStages(std::int64_t nowMs, std::int64_t atLeastMs) const;
  std::vector<proto::Progress::Executor> executors() const;

 private:
  static constexpr std::size_t kJobs = 1000, kStages = 4000;
  Job* find(std::uint64_t number);

  mutable std::mutex mutex_;
  std::deque<Job> jobs_;  // the newest
  std::map<std::uint32_t, proto::Progress::Stage> stages_;  // likewise
  std::map<std::uint32_t, proto::Progress::Stage> running_;  // of jobs and batches that run
  std::int64_t toldMs_ = 0;
  std::vector<proto::Progress::Executor> executors_;
  bool told_ = false;
};

}  // namespace sluice
