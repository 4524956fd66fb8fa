#include "master/stream_events.h"

#include <algorithm>

#include "master/allocation.h"
#include "master/batches.h"

namespace sluice::master {
namespace {

using Kind = proto::StreamEvent::Kind;
constexpr int kFilesTold = 100;  // of an input

std::shared_ptr<Envelope> eventOf(const State& s, const App& app, const Stream& stream, Kind kind) {
  return messageOf(&proto::Message::mutable_stream_event, [&](proto::StreamEvent& event) {
    event.set_app(app.id.value), event.set_stream(stream.number), event.set_kind(kind), event.set_at_ms(s.now.time().milliseconds());
  });
}

void send(State& s, App& app, std::shared_ptr<Envelope> envelope) {
  if (app.driver && app.driverUp) s.send(*app.driver, std::move(envelope));
}

// Inputs are numbered in the order of the plan.
std::uint32_t numberOf(const proto::Plan& plan, std::uint32_t node) {
  std::uint32_t number = 0;
  for (const auto& n : plan.nodes()) {
    if (n.id() == node) break;
    number += n.kind() == proto::NODE_SOURCE && n.slide_ms() != 0;
  }
  return number;
}

std::string nameOf(const proto::Node& node) { return node.site().empty() ? node.name() : node.name() + " at " + node.site(); }

void describeInput(const proto::Plan& plan, const proto::Node& node, proto::StreamEvent::Batch& batch,
                   const google::protobuf::RepeatedPtrField<proto::InputList>& partitions) {
  auto& input = *batch.add_inputs();
  input.set_source(numberOf(plan, node.id())), input.set_name(nameOf(node));
  std::uint64_t records = 0;
  auto add = [&](const auto& inputs) {
    for (const auto& part : inputs) {
      records += part.records();
      if (!part.has_file() || input.files_size() >= kFilesTold) continue;
      const auto& files = input.files();
      if (std::find(files.begin(), files.end(), part.file().path()) == files.end()) input.add_files(part.file().path());
    }
  };
  for (const auto& partition : partitions) add(partition.inputs());
  input.set_records(records);
}

// What is told of the batch; of one that was allocated before anybody listened, as much as is known.
proto::StreamEvent::Batch& batchOf(State& s, Stream& stream, std::int64_t whenMs) {
  auto [it, isNew] = stream.told.try_emplace(whenMs);
  proto::StreamEvent::Batch& batch = it->second;
  if (!isNew) return batch;
  batch.set_when_ms(whenMs), batch.set_submitted_ms(s.now.time().milliseconds());
  auto record = stream.record->batches.find(whenMs);
  const proto::Plan& plan = record != stream.record->batches.end() && record->second.plan ? *record->second.plan : *stream.plan->plan;
  for (const auto& node : plan.nodes()) {
    if (node.kind() != proto::NODE_SOURCE || node.slide_ms() == 0) continue;
    if (node.source().kind() == proto::SOURCE_BATCHES) {
      const auto* inputs = batchInputs(node.source(), (whenMs - stream.record->zeroMs) / stream.intervalMs);
      if (!inputs || inputs->no_value()) continue;
      proto::InputList all;
      if (inputs->partitions_size() == 0) *all.add_partitions() = *inputs;
      describeInput(plan, node, batch, inputs->partitions_size() ? inputs->partitions() : all.partitions());
    } else if (record != stream.record->batches.end()) {
      for (const auto& allocation : record->second.allocated.sources()) {
        if (allocation.node() == node.id()) describeInput(plan, node, batch, allocation.partitions());
      }
    }
  }
  for (int i = 0; i < plan.outputs_size(); ++i) {
    auto& output = *batch.add_outputs();
    output.set_index(std::uint32_t(i)), output.set_name(plan.outputs(i).name()), output.set_site(plan.outputs(i).site());
  }
  return batch;
}

void tellBatch(State& s, App& app, Stream& stream, Kind kind, const proto::StreamEvent::Batch& batch, std::uint32_t output = 0) {
  auto envelope = eventOf(s, app, stream, kind);
  *envelope->message.mutable_stream_event()->mutable_batch() = batch;
  envelope->message.mutable_stream_event()->set_output(output);
  send(s, app, std::move(envelope));
}

}  // namespace

void tellStarted(State& s, App& app, Stream& stream) {
  if (stream.events) send(s, app, eventOf(s, app, stream, proto::StreamEvent::STARTED));
}

void tellReceiver(State& s, App& app, Stream& stream, const Receiver& receiver, Kind kind, const std::string& error) {
  if (!stream.events) return;
  auto envelope = eventOf(s, app, stream, kind);
  auto& told = *envelope->message.mutable_stream_event()->mutable_receiver();
  const proto::Node& node = stream.plan->view.node(receiver.node);
  told.set_source(numberOf(*stream.plan->plan, receiver.node)), told.set_name(nameOf(node)), told.set_active(kind != proto::StreamEvent::RECEIVER_STOPPED);
  if (receiver.at < app.executors.size()) told.set_host(app.executors[receiver.at]->host), told.set_executor(app.executors[receiver.at]->id.value);
  if (!error.empty()) told.set_last_error(error), told.set_last_error_ms(s.now.time().milliseconds());
  send(s, app, std::move(envelope));
}

void tellSubmitted(State& s, App& app, Stream& stream, std::int64_t whenMs) {
  if (stream.events) tellBatch(s, app, stream, proto::StreamEvent::BATCH_SUBMITTED, batchOf(s, stream, whenMs));
}

void tellBegun(State& s, App& app, Stream& stream, const Instance& in) {
  if (!stream.events) return;
  auto& batch = batchOf(s, stream, in.whenMs);
  batch.set_started_ms(s.now.time().milliseconds());
  tellBatch(s, app, stream, proto::StreamEvent::BATCH_STARTED, batch);
  const auto& outputs = in.plan->plan->outputs();
  for (int i = 0; i < outputs.size(); ++i) {
    bool known = std::any_of(in.outputs.begin(), in.outputs.end(), [&](const auto& output) { return int(output.position) == i; });
    if (known && isOnSlide(in, i) && outputs[i].kind() != proto::OUTPUT_DRIVER) tellOutputBegun(s, app, stream, in.whenMs, std::uint32_t(i));
  }
}

void tellOutputBegun(State& s, App& app, Stream& stream, std::int64_t whenMs, std::uint32_t output) {
  if (!stream.events) return;
  auto& batch = batchOf(s, stream, whenMs);
  if (int(output) >= batch.outputs_size() || batch.outputs(int(output)).started_ms() != 0) return;
  batch.mutable_outputs(int(output))->set_started_ms(s.now.time().milliseconds());
  tellBatch(s, app, stream, proto::StreamEvent::OUTPUT_STARTED, batch, output);
}

void tellOutputEnded(State& s, App& app, Stream& stream, std::int64_t whenMs, std::uint32_t output, const std::string& failure) {
  if (!stream.events) return;
  auto& batch = batchOf(s, stream, whenMs);
  if (int(output) >= batch.outputs_size()) return;
  auto& ended = *batch.mutable_outputs(int(output));
  if (ended.started_ms() == 0 || ended.ended_ms() != 0) return;
  ended.set_ended_ms(s.now.time().milliseconds()), ended.set_failure(failure);
  tellBatch(s, app, stream, proto::StreamEvent::OUTPUT_COMPLETED, batch, output);
}

void tellCompleted(State& s, App& app, Stream& stream, std::int64_t whenMs, const std::string& failure) {
  if (!stream.events) return;
  auto& batch = batchOf(s, stream, whenMs);
  for (int i = 0; i < batch.outputs_size(); ++i) tellOutputEnded(s, app, stream, whenMs, std::uint32_t(i), failure);
  if (batch.started_ms() == 0) batch.set_started_ms(s.now.time().milliseconds());
  batch.set_ended_ms(s.now.time().milliseconds());
  tellBatch(s, app, stream, proto::StreamEvent::BATCH_COMPLETED, batch);
  stream.told.erase(whenMs);
}

}  // namespace sluice::master
