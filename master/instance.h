// A batch or a job that runs.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "common/machine.h"
#include "master/values.h"

namespace sluice::master {

using Properties = google::protobuf::RepeatedPtrField<proto::Property>;

struct Instance {
  struct Output {
    std::uint32_t position = 0;  // in Plan.outputs
    std::uint32_t stage = 0;
    std::vector<std::uint32_t> wanted;  // partitions; empty: all of them
    std::uint32_t missing = 0;          // partitions not prepared
    std::vector<proto::Result> results;  // by partition
    std::vector<bool> have;              // whether one came
    std::string abandoned;               // why
  };
  struct Retry {
    Run* run;
    std::uint32_t partition;
    std::uint32_t avoid;  // executor
    bool cautious;
  };

  proto::InstanceId id;
  std::int64_t whenMs = 0;
  bool job = false;
  std::uint32_t serial = 0;
  std::shared_ptr<Template> plan;
  std::shared_ptr<const proto::Captures> captures;
  std::shared_ptr<Placement> placement;
  std::shared_ptr<const Facts> facts;
  std::map<std::uint32_t, std::uint64_t> exchanges;  // names of map outputs that last (MapOutputId::node), by reading node
  std::uint64_t allocatedSequence = 0;
  std::shared_ptr<const Properties> properties;  // null: none
  std::uint64_t order = 0;                       // in which executors run it, among those of its application
  std::shared_ptr<const proto::Pool> pool;       // null: the application's mode is FIFO
  std::vector<std::pair<const Template*, std::uint32_t>> firstStages;  // of the plans that it launched

  std::uint32_t k = 0;        // of the next Launch
  std::vector<RunPtr> own;    // by stage, at whenMs
  std::vector<RunPtr> used;   // every run that a pass of it looked at
  struct Sent {
    std::shared_ptr<Template> plan;
    std::shared_ptr<const proto::Captures> captures;
    std::shared_ptr<Placement> placement;
  };
  std::vector<Sent> launches;  // by k
  std::vector<std::pair<Run*, std::uint32_t>> blocked;  // parts in kPlaced
  std::vector<Retry> retries;
  std::vector<std::pair<std::uint32_t, EnvelopePtr>> sent;  // Launches, for a new session of the executor
  std::vector<bool> participants;                           // executors that were sent one, by index
  std::vector<Output> outputs;
  std::vector<std::uint32_t> stateStages;
  struct Pane {  // what windows will read of the batch, and of earlier ones what a checkpoint waits for
    std::uint32_t node = 0;
    std::int64_t whenMs = 0;
    RunPtr run;  // null until a pass has looked
  };
  std::vector<Pane> panes;
  std::vector<proto::Accumulate> updates;
  std::vector<Bytes> attachments;  // of results
  std::uint64_t inputRecords = 0, inputBytes = 0;
  struct Read {
    std::uint64_t records = 0, bytes = 0;
  };
  std::map<std::pair<std::uint32_t, std::uint32_t>, Read> reads;  // by source and partition, of this batch
  std::uint32_t crashes = 0;
  std::vector<std::tuple<const Template*, std::uint32_t, std::uint32_t>> failedTasks;  // how many of a stage
  std::string failure, failureSite;
  RunPtr failedRun;  // whose failure it is; null: of the instance as a whole
  Moment started;
  bool over = false;
  bool waitsForGang = false;  // a barrier stage of its is held back
  bool wantsSlots = false;    // and needs executors that joined after it began
  bool repairing = false;  // it makes values of earlier times again, which marks would take away

  void participates(std::uint32_t executor) {
    if (participants.size() <= executor) participants.resize(executor + 1);
    participants[executor] = true;
  }
};
using InstancePtr = std::shared_ptr<Instance>;

}  // namespace sluice::master
