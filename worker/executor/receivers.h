// Receivers and planners of this executor, and the blocks that they and its peers' receivers put here.
#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "worker/executor/blocks.h"
#include "worker/executor/control.h"
#include "worker/executor/planner.h"
#include "worker/executor/receiver_host.h"
#include "worker/executor/templates.h"
#include "worker/executor/values.h"

namespace sluice::executor {

// Filling -> stored here -> copied to the peers named -> told to the master (Stored), in order and without holes -> Accepted.
// At each grid time of the stream the open block is cut, and when all before it is told the grid time is sealed.
class Receivers {
 public:
  Receivers(Control& control, Values& values) : control_(control), values_(values) {}
  ~Receivers();

  void onStart(const proto::StartReceiver& start, const Templates& templates);
  void onClose(const proto::CloseReceiver& close);
  void onRate(const proto::ReceiverRate& rate);
  void onAccepted(const proto::Accepted& accepted);
  void onCopyBlock(Peer from, const EnvelopePtr& envelope);
  void onBlockCopied(const proto::BlockCopied& copied);
  void onPeer(std::uint64_t executor, bool up);
  void onTimer(TimerName timer);
  // What each receiver has told and the master may not have heard.
  void report(proto::Report& report) const;

 private:
  struct Pending {  // a block on its way to the master
    proto::Input input;
    std::set<std::uint64_t> copying;
    bool told = false;
  };
  // One source's receiver or planner, for one incarnation.
  struct Source {
    std::uint32_t node = 0;
    std::uint64_t incarnation = 0;
    std::vector<std::uint64_t> copiesTo;
    std::shared_ptr<const Installed> installed;  // its code
    std::shared_ptr<ReceiverHost> host;          // of a receiver
    std::unique_ptr<FilePlanner> planner;        // of a planner
    proto::Source files;                         // what it reads
    std::int64_t intervalMs = 0;
    std::string lastWarning;
    bool listing = false;
    std::unique_ptr<BlockTimes> times;
    std::uint64_t nextSequence = 1;
    std::deque<std::pair<std::uint64_t, Pending>> pending;        // by sequence: not accepted yet
    std::deque<std::pair<std::uint64_t, std::int64_t>> seals;     // (last sequence before it, grid time)
    std::int64_t sealedMs = 0;                                    // told
    bool closing = false, drain = false, ended = false, stopped = false;
  };
  using SourcePtr = std::shared_ptr<Source>;

  SourcePtr find(std::uint32_t node, std::uint64_t incarnation) const;
  void startPlanner(Source& source, const proto::StartReceiver& start);
  void startReceiver(const SourcePtr& source, const proto::StartReceiver& start);
  void collect(Source& source, bool all);
  void storeBlock(Source& source, CutBlock block);
  void list(const SourcePtr& source, std::int64_t batchMs);
  void listed(Source& source, std::int64_t batchMs, Listing listing, std::int64_t tookMs);
  void tell(Source& source);
  void tellError(const Source& source, const std::string& error);
  proto::Stored* newStored(const Source& source, std::shared_ptr<Envelope>& envelope) const;
  void armTimer(const Source& source);
  void end(Source& source);
  double limited(double recordsPerSecond) const;

  Control& control_;
  Values& values_;
  std::map<std::uint32_t, SourcePtr> sources_;
  std::set<std::uint64_t> peers_;
};

}  // namespace sluice::executor
