// A stream that runs: what the journal does not say of it (that is in StreamRecord).
#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "common/machine.h"
#include "master/instance.h"
#include "master/journal_state.h"
#include "master/publication.h"
#include "master/rates.h"

namespace sluice::master {

// The live incarnation of a receiver or planner.
struct Receiver {
  std::uint32_t node = 0;
  std::uint32_t at = kNowhere;  // executor, by index; kNowhere: waits for one
  std::int64_t sealedMs = 0;
  std::int64_t listedMs = 0;  // a planner: batches for which its directory was listed; 0: none
  bool closing = false, stopped = false;
  RateEstimator estimator;
  double rate = 0;  // records a second, by the estimator or a checkpoint; 0: not known
  EnvelopePtr start;  // for a new session
};

// A batch from its allocation until it is published.
struct Batch {
  Moment began, ended;    // of its computation
  Moment functionsBegan;  // 0: there is none, or it has not begun
  Publication files;
  bool filesBegun = false, over = false;
  std::deque<std::uint32_t> functions;  // driver outputs that have not run, in order
  std::string error;                    // of the first failed output
  std::vector<proto::Accumulate> updates;
  std::uint64_t records = 0;
  std::vector<proto::BatchInput> inputs;  // by source
  bool last = false;  // no batch: what is to be done with files when a stream ends
  std::uint64_t order = 0;  // of its instance: jobs of its functions have the same
};

struct PendingCheckpoint {
  std::int64_t whenMs = 0;  // 0: none
  std::set<std::pair<std::uint32_t, std::int64_t>> waiting;  // executors that have not written theirs, by version
  std::vector<std::pair<std::uint32_t, EnvelopePtr>> sent;
  std::vector<proto::CheckpointFile> files;
  std::vector<proto::CheckpointFile> filesOfLast;  // panes that the checkpoint before has, too
  std::map<std::uint32_t, std::int64_t> holds;  // the lowest time of each node that is being written: it is not let go
  std::vector<proto::SourceCount> counts;  // of its time: what is not asked for any more is forgotten soon
  bool writing = false;  // the manifest
};

struct Stream {
  enum class Phase : std::uint8_t { kWaiting, kReading, kRunning, kStopping, kStopped };

  std::uint32_t number = 0;
  StreamRecord* record = nullptr;  // null until it has begun
  EnvelopePtr request;             // StartStream, until it has begun
  Phase phase = Phase::kWaiting;
  std::shared_ptr<Template> plan;
  std::shared_ptr<Facts> facts;  // of all allocations that may still be asked for
  std::int64_t intervalMs = 0;
  std::map<std::uint32_t, Receiver> receivers;  // by node
  std::int64_t dueMs = 0;                       // the last tick
  std::set<std::tuple<std::uint32_t, std::uint64_t, std::uint64_t>> toldLost;  // blocks (source, incarnation, sequence) that the log names as lost
  std::int64_t recalledMs = 0;                  // batches up to here were allocated by an earlier master
  std::int64_t sealsOfMs = 0;                   // the batch whose seals are waited for
  Moment sealsUntil;                            // and how long
  std::int64_t askedMs = 0;                     // PlanFor sent for this time
  EnvelopePtr planned;                          // the driver's answer
  InstancePtr running;
  std::map<std::int64_t, Batch> batches;
  std::set<std::pair<std::uint32_t, std::int64_t>> panesWanted;   // by node and time: a checkpoint waits for them
  std::set<std::pair<std::uint32_t, std::int64_t>> panesGivenUp;  // and goes without these: they cannot be made
  bool functionRuns = false;  // a RunOutput has not been answered
  std::vector<std::pair<std::uint32_t, EnvelopePtr>> restores;
  PendingCheckpoint checkpoint;
  bool draining = false;
  bool lastCheckpoint = false;     // of a graceful stop: asked for
  bool rolledUp = false;           // of a graceful stop: rolled files are told to be finished
  std::string stopError;           // why it stops, if it failed
  // Marks that become true with the sync of a record, and those that are.
  struct MarksToCome {
    std::uint64_t sequence = 0;
    std::int64_t publishedMs = 0, lowestMs = 0;  // lowestMs: no batch before this time is made again
    std::vector<Retained> retained;
  };
  std::deque<MarksToCome> marksToCome;
  std::int64_t overBelowMs = 0;  // batches before this time are published, and that is durable
  std::int64_t lowestMs = 0;     // likewise
  absl::flat_hash_map<std::uint32_t, std::int64_t> marks;
  std::set<std::uint32_t> marksRisen;  // since executors were last told
  absl::flat_hash_map<std::uint32_t, std::int64_t> markedAt;  // the last batch whose plan had the node: some are made for one batch
  std::map<std::int64_t, std::vector<proto::Input>> blocks;  // allocated, by batch, until the mark of their source passes it
  std::map<std::uint32_t, std::vector<proto::Input::BlockRef>> freed;  // blocks to be told as released, by executor
  bool events = false;                                   // the driver has listeners
  std::map<std::int64_t, proto::StreamEvent::Batch> told;  // to them, of batches that are not over
  std::uint32_t marksUntold = 0;  // times that marks or overBelowMs rose since executors were last told
};

}  // namespace sluice::master
