// Backpressure: receivers take no more records a second than the last batches were processed at.
#pragma once
#include <cstdint>
#include <optional>

#include "common/conf.h"
#include "sluice/abi.h"

namespace sluice::master {

class State;
struct App;
struct Batch;
struct Receiver;
struct SourceRecord;
struct Stream;

// sluice.streaming.backpressure.*
struct RateOptions {
  double proportional = 1, integral = 0.2, derived = 0, minRate = 100;
  double initialRate = 0, maxRate = 0;  // records a second; 0: no limit
};
// nullopt: it is off.
SLUICE_INTERNAL std::optional<RateOptions> rateOptionsOf(const Settings& conf);

// What a batch says of the rate that its source may have.
struct RateSample {
  std::int64_t atUs = 0;          // when it was over
  std::uint64_t records = 0;      // of the source
  std::int64_t processingUs = 0;  // by whichever of computing and the driver's functions took longer: they overlap from batch to batch
  std::int64_t waitedUs = 0;      // for earlier batches
};

// A PID controller over the rate at which batches were processed: Spark's PIDRateEstimator. One source.
class SLUICE_INTERNAL RateEstimator {
 public:
  // Records a second from now on; nullopt: as before. The first sample gives none.
  std::optional<double> next(const RateOptions& options, std::int64_t intervalMs, const RateSample& sample);

 private:
  bool seeded_ = false;
  std::int64_t atUs_ = 0;
  double rate_ = 0, error_ = 0;
};

// The rate that a receiver begins with; 0: what its executor's settings say.
double startingRate(const App& app, const Receiver& receiver, const SourceRecord& source);
// A batch is over: its receivers are told their new rates. Journaled with the next allocation.
void adaptRates(State& s, App& app, Stream& stream, const Batch& batch, std::int64_t whenMs);
// Said again to a receiver that may have missed it.
void tellRate(State& s, App& app, const Stream& stream, const Receiver& receiver);

}  // namespace sluice::master
