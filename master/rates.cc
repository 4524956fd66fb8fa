#include "master/rates.h"

#include <algorithm>
#include <cmath>

#include "master/state.h"

namespace sluice::master {

std::optional<RateOptions> rateOptionsOf(const Settings& conf) {
  if (!conf.get(conf::kBackpressure)) return std::nullopt;
  RateOptions options;
  options.proportional = conf.get(conf::kPidProportional), options.integral = conf.get(conf::kPidIntegral);
  options.derived = conf.get(conf::kPidDerived), options.minRate = conf.get(conf::kPidMinRate);
  options.maxRate = double(conf.get(conf::kReceiverMaxRate));
  options.initialRate = double(conf.find(conf::kBackpressureInitialRate).value_or(0));
  if (options.maxRate > 0) options.initialRate = options.initialRate > 0 ? std::min(options.initialRate, options.maxRate) : options.maxRate;
  return options;
}

std::optional<double> RateEstimator::next(const RateOptions& options, std::int64_t intervalMs, const RateSample& sample) {
  if (sample.records == 0 || sample.processingUs <= 0 || (seeded_ && sample.atUs <= atUs_)) return std::nullopt;
  const double processed = double(sample.records) / (double(sample.processingUs) / 1e6);
  const double error = rate_ - processed;
  const double waiting = double(std::max<std::int64_t>(sample.waitedUs, 0)) / 1e3 * processed / double(intervalMs);
  // Batches that have waited may end shortly after each other: by the time between them, as Spark has it, their changes would be far too large.
  const double passedUs = std::max(double(sample.atUs - atUs_), double(intervalMs) * 1e3);
  const double change = seeded_ ? (error - error_) / (passedUs / 1e6) : 0;
  atUs_ = sample.atUs;
  if (!std::exchange(seeded_, true)) {
    rate_ = processed;
    return std::nullopt;
  }
  double rate = rate_ - options.proportional * error - options.integral * waiting - options.derived * change;
  rate = std::max(std::isfinite(rate) ? rate : processed, options.minRate);
  // What cannot be reached is not remembered: with a small proportional part the rate would stay there long after.
  if (options.maxRate > 0) rate = std::min(rate, options.maxRate);
  rate_ = rate, error_ = error;
  return rate;
}

double startingRate(const App& app, const Receiver& receiver, const SourceRecord& source) {
  if (receiver.rate > 0) return receiver.rate;
  if (source.rate > 0) return source.rate;
  return app.rates ? app.rates->initialRate : 0;
}

void adaptRates(State& s, App& app, Stream& stream, const Batch& batch, std::int64_t whenMs) {
  if (!app.rates || stream.draining || whenMs <= stream.recalledMs) return;  // nobody knows how long a recalled one took
  // Batches are computed one after the other, and so are the driver's functions, but those of a batch while later ones are computed.
  const std::int64_t functionsUs = batch.functionsBegan.us ? s.now.us - batch.functionsBegan.us : 0;
  RateSample sample;
  sample.atUs = s.now.us;
  sample.processingUs = std::max(batch.ended.us - batch.began.us, functionsUs);
  sample.waitedUs = batch.began.us - whenMs * 1000 + (batch.functionsBegan.us ? batch.functionsBegan.us - batch.ended.us : 0);
  for (const auto& input : batch.inputs) {
    auto found = stream.receivers.find(input.node());
    if (found == stream.receivers.end() || stream.plan->view.node(input.node()).source().kind() != proto::SOURCE_RECEIVER) continue;
    sample.records = input.records();
    auto rate = found->second.estimator.next(*app.rates, stream.intervalMs, sample);
    if (!rate) continue;
    found->second.rate = *rate;
    tellRate(s, app, stream, found->second);
  }
}

void tellRate(State& s, App& app, const Stream& stream, const Receiver& receiver) {
  auto source = stream.record->sources.find(receiver.node);
  if (receiver.rate <= 0 || receiver.closing || receiver.stopped || !app.isUp(receiver.at) || source == stream.record->sources.end()) return;
  s.send(app.executors[receiver.at]->peer(), messageOf(&proto::Message::mutable_receiver_rate, [&](proto::ReceiverRate& rate) {
           rate.set_app(app.id.value), rate.set_node(receiver.node), rate.set_incarnation(source->second.incarnation);
           rate.set_records_per_second(receiver.rate);
         }));
}

}  // namespace sluice::master
