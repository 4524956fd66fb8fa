// What the master's journal says: everything that survives a restart. Changed by apply() alone, live and in replay alike, so replaying
// gives the same state by construction.
#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "master/retention.h"
#include "proto/journal.pb.h"

namespace sluice::master {

struct BatchRecord {
  std::uint64_t allocatedSequence = 0;
  proto::Allocated allocated;
  std::shared_ptr<const proto::Plan> plan;  // driver-planned streams
  bool decided = false;
  std::uint64_t decidedSequence = 0;
  proto::Decided decision;
  std::uint64_t logPosition = 0;             // where its printed lines begin
  std::map<std::uint32_t, std::string> ended;  // driver functions by output, with their error
  bool published = false;
};

// A file that a planner offered, and the batch that it was looked for.
struct SeenFile {
  std::string path;
  std::int64_t whenMs = 0;
};

// A receiver or planner, over all its incarnations.
struct SourceRecord {
  struct Waiting {
    proto::Input input;
    std::int64_t afterMs = 0;
  };
  std::uint64_t incarnation = 0;
  std::uint64_t executor = 0;
  std::uint64_t nextSequence = 0;
  std::deque<Waiting> waiting;       // accepted, not allocated
  double rate = 0;                 // records a second that its receiver may take; 0: not said
  std::deque<SeenFile> seenFiles;  // as far back as its window reaches
};

struct CheckpointRecord {
  std::int64_t whenMs = 0;
  std::vector<proto::CheckpointFile> files;  // by node, time and partition; a state's version before what windows read of it

  void sort();
  // Those of a node's value at a time, of one partition or (kAll) of all of them.
  static constexpr std::uint32_t kAll = ~0u;
  std::span<const proto::CheckpointFile> of(std::uint32_t node, std::int64_t whenMs, std::uint32_t partition = kAll) const;
};

struct StreamRecord {
  std::uint64_t generation = 0;
  std::int64_t zeroMs = 0, restoredMs = 0, resumedMs = 0, begunMs = 0;
  std::shared_ptr<const proto::Plan> plan;
  std::shared_ptr<const proto::Captures> captures;
  std::shared_ptr<const google::protobuf::RepeatedPtrField<proto::Property>> properties;  // of its batches; null: none
  std::uint32_t defaultPartitions = 1;
  std::int64_t allocatedMs = 0, decidedMs = 0, publishedMs = 0;
  std::map<std::int64_t, BatchRecord> batches;  // that may still be asked for
  std::map<std::uint32_t, SourceRecord> sources;
  std::deque<CheckpointRecord> checkpoints;  // at most two, older first
  // Of the checkpoint that it was restored from: what sources gave to batches that windows reach back to, and files that were seen before.
  std::vector<proto::SourceCount> countsBefore;
  std::vector<SeenFile> seenBefore;
  std::vector<Retained> retained;
  bool ended = false;
  std::string error;

  // How far back files that were seen are of interest: a batch's window, and one interval more.
  std::int64_t seenFrom(std::uint32_t node, std::int64_t whenMs) const;
  // The version of the node that the checkpoint holds: that of its last grid time, and of a restored one that under which it was taken up.
  std::int64_t cutOf(const CheckpointRecord& checkpoint, const proto::Node& node) const;
};

struct AppRecord {
  std::uint64_t app = 0, driver = 0;
  std::string appId, driverId;
  proto::Submit submit;
  std::int64_t atMs = 0;
  bool ended = false, failed = false, killed = false;
  std::string why;
  std::uint64_t logPosition = 0;
  std::uint32_t driverAttempt = 0;
  std::uint64_t driverWorker = 0;
  std::map<std::uint32_t, StreamRecord> streams;
  std::map<std::int64_t, proto::Decided> jobs;  // with a durable output, decided in this term or an earlier one; newest few
};

class SLUICE_INTERNAL JournalState {
 public:
  // An unknown record is refused: it was written by a newer version.
  absl::Status apply(std::uint64_t sequence, const proto::JournalRecord& record);
  // Everything, to begin from in place of the records up to last() (master/journal_snapshot.cc). A field that apply() sets is in it.
  proto::JournalSnapshot snapshot() const;
  absl::Status restore(std::uint64_t sequence, const proto::JournalSnapshot& snapshot);

  std::uint64_t term() const { return term_; }
  std::uint64_t last() const { return last_; }
  std::uint64_t nextApp() const { return apps_.empty() ? 1 : apps_.rbegin()->first + 1; }
  std::uint64_t nextDriver() const { return drivers_ + 1; }
  AppRecord* app(std::uint64_t id);
  const std::map<std::uint64_t, AppRecord>& apps() const { return apps_; }

 private:
  StreamRecord* stream(std::uint64_t app, std::uint32_t stream);
  void applyAllocated(std::uint64_t sequence, const proto::Allocated& allocated);
  void applyDecided(std::uint64_t sequence, const proto::Decided& decided);
  void applyAccepted(const proto::BlocksAccepted& accepted);
  void retain(StreamRecord& stream);

  std::uint64_t term_ = 0, last_ = 0, drivers_ = 0;
  std::map<std::uint64_t, AppRecord> apps_;
};

}  // namespace sluice::master
