#include "tests/bench/simulated_executor.h"

#include <string>

namespace sluice::bench {

proto::Plan threeStages(std::uint32_t partitions) {
  proto::Plan plan;
  plan.set_template_hash(kThreeStages);
  plan.set_shape_hash(kThreeStages);
  proto::Node* source = plan.add_nodes();
  source->set_id(1);
  source->set_kind(proto::NODE_SOURCE);
  source->set_partitions(partitions);
  source->mutable_source()->set_kind(proto::SOURCE_STATIC);
  for (std::uint32_t i = 0; i < partitions; ++i) {
    auto* range = source->mutable_source()->add_inputs()->mutable_generated();
    range->set_from(i);
    range->set_to(i + 1);
    range->set_step(1);
  }
  for (std::uint32_t id : {2, 3}) {
    proto::Node* node = plan.add_nodes();
    node->set_id(id);
    node->set_kind(proto::NODE_PULL);
    node->set_partitions(partitions);
    proto::Edge* edge = node->add_edges();
    edge->set_parent(id - 1);
    edge->set_exchange(proto::EXCHANGE_HASH);
  }
  proto::Output* output = plan.add_outputs();
  output->set_kind(proto::OUTPUT_NONE);
  output->set_node(3);
  return plan;
}

EnvelopePtr reportOf(AppId app, std::uint64_t executor, std::uint32_t slots) {
  auto [envelope, report] = compose(&proto::Message::mutable_report);
  report->set_app(app.value);
  report->set_executor(executor);
  report->set_slots(slots);
  report->set_host("host-" + std::to_string(executor));
  return envelope;
}

EnvelopePtr runThreeStages(AppId app, std::uint64_t number, const proto::Plan* plan) {
  auto [envelope, job] = compose(&proto::Message::mutable_run_job);
  job->set_app(app.value);
  job->set_number(number);
  job->set_template_hash(kThreeStages);
  if (plan) *job->mutable_plan() = *plan;
  job->mutable_captures()->set_version(1);
  for (int i = 0; i < 3; ++i) job->mutable_captures()->add_nodes();
  return envelope;
}

EnvelopePtr answerOf(AppId app, std::uint64_t executor, const proto::Message& message) {
  if (message.has_launch()) {
    const proto::Launch& launch = message.launch();
    auto [envelope, prepared] = compose(&proto::Message::mutable_prepared);
    *prepared->mutable_instance() = launch.instance();
    prepared->set_k(launch.k());
    prepared->set_executor(executor);
    const proto::Tasks& tasks = launch.tasks();
    for (int i = 0; i < tasks.stage_size(); ++i) {
      if (tasks.stage(i) != 2) continue;  // only of the output's tasks is the master told
      proto::Tasks& done = *prepared->mutable_tasks();
      done.add_stage(tasks.stage(i)), done.add_when_ms(tasks.when_ms(i));
      done.add_partition(tasks.partition(i)), done.add_attempt(tasks.attempt(i));
      proto::Result* result = prepared->add_results();
      result->set_partition(tasks.partition(i)), result->set_attempt(tasks.attempt(i));
      result->set_rows(1), result->set_attachment(-1), result->set_executor(executor);
    }
    return envelope;
  }
  return nullptr;
}

}  // namespace sluice::bench
