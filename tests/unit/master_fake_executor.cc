#include "master_fake_executor.h"

#include <algorithm>

#include "master_fleet.h"

namespace sluice::master {

void FakeExecutor::on(const EnvelopePtr& envelope) {
  const auto& m = envelope->message;
  if (m.has_install()) {
    const auto& install = m.install();
    if (install.has_plan()) plans_[install.template_hash()] = std::make_shared<PlanView>(std::make_shared<proto::Plan>(install.plan()));
    epochs_[install.epoch().epoch()] = install.epoch();
    facts_.defaultPartitions = install.epoch().default_partitions();
  } else if (m.has_cancel_instance()) {
    cancels.push_back(m.cancel_instance());
  } else if (m.has_stop_task()) {
    const auto& stop = m.stop_task();
    stops.push_back(stop);
    std::erase_if(tasks_, [&](const Task& task) {
      return task.instance.when_ms() == stop.instance().when_ms() && task.view->plan().template_hash() == stop.template_hash() &&
             task.stage == stop.stage() && task.when == stop.when_ms() && task.partition == stop.partition() && task.attempt == stop.attempt();
    });
  } else if (m.has_watch_tasks()) {
    watches.push_back(m.watch_tasks().on());
  } else if (m.has_launch()) {
    const auto& launch = m.launch();
    if (!launched_.insert({launch.instance().when_ms(), launch.instance().stream(), launch.instance().run(), launch.k()}).second) return;
    launches.push_back(launch);
    ASSERT_TRUE(plans_.contains(launch.template_hash())) << "launched before it was installed";
    ASSERT_TRUE(epochs_.contains(launch.epoch()));
    auto view = plans_[launch.template_hash()];
    for (const auto& stage : view->stages()) {
      if (stage.sink == Stage::Sink::kExchange) marked_[stage.exchange] = view->markedNode(stage.exchange);
    }
    facts_.zeroMs = launch.zero_ms();
    for (const auto& mark : launch.marks()) release(mark);
    for (const auto& count : launch.counts()) facts_.sources[{count.node(), count.when_ms()}] = count.partitions();
    for (const auto& source : launch.sources()) {
      sources_[{source.node(), source.when_ms(), source.partition()}] = {source.inputs().begin(), source.inputs().end()};
    }
    for (const auto& route : launch.kept()) routes_[{route.node(), route.when_ms(), route.partition()}] = route.executor();
    std::set<std::tuple<std::uint32_t, std::int64_t, std::uint32_t>> named;
    for (const auto& route : launch.moved()) {
      auto key = std::tuple(route.node(), route.when_ms(), route.partition());
      if (named.insert(key).second) moved_[key].clear();
      moved_[key].insert(route.executor());
    }
    for (const auto& [key, to] : moved_) {  // kept segments go again to moved reducers
      if (!named.contains(key)) continue;
      for (const auto& [segment, output] : outbound_) {
        auto [exchange, when, map] = segment;
        if (exchange.node != std::get<0>(key) || when != std::get<1>(key) || std::get<2>(key) >= output.reducers) continue;
        for (std::uint64_t executor : to) {
          auto it = fleet_.executors.find(executor);
          if (it != fleet_.executors.end()) it->second->take(exchange, when, map, std::get<2>(key), mixed(output.value, std::get<2>(key)));
        }
      }
    }
    for (const proto::Tasks* tasks : {&launch.tasks(), &launch.found()}) {
      for (int i = 0; i < tasks->stage_size(); ++i) {
        Task& task = tasks_.emplace_back(launch.instance(), launch.k(), view, launch.epoch(), tasks->stage(i), tasks->partition(i), tasks->attempt(i), tasks->when_ms(i));
        task.found = tasks == &launch.found();
        const Stage& stage = view->stages()[task.stage];
        for (int e = 0; e < launch.exchange_nodes_size(); ++e) {
          if (stage.sink == Stage::Sink::kExchange && task.when < 0 && launch.exchange_nodes(e) == stage.exchange.node) task.name = launch.exchange_ids(e);
        }
      }
    }
  } else if (m.has_publish()) {
    published.push_back(m.publish());
    if (fleet_.answerPublish) answer(m.publish());
  } else if (m.has_release()) {
    releases.push_back(m.release());
    for (const auto& mark : m.release().marks()) release(mark);
    if (m.release().all_templates()) plans_.clear();
    for (std::uint64_t hash : m.release().templates()) plans_.erase(hash);
    const std::set<std::uint64_t> named(m.release().exchanges().begin(), m.release().exchanges().end());
    std::erase_if(left, [&](const auto& entry) { return named.contains(std::get<0>(entry.first)) != m.release().all_but(); });
  } else if (m.has_start_receiver()) {
    receivers[m.start_receiver().node()] = m.start_receiver().incarnation();
    sequence_[m.start_receiver().node()] = 0;
    started.push_back(m.start_receiver());
  } else if (m.has_receiver_rate()) {
    rates.push_back(m.receiver_rate());
  } else if (m.has_close_receiver()) {
    if (m.close_receiver().drain()) seal(m.close_receiver().node(), 0, {}, true);
    receivers.erase(m.close_receiver().node());
  } else if (m.has_take_checkpoint()) {
    const auto& take = m.take_checkpoint();
    fleet_.tell({Role::kExecutor, id_}, Fleet::messageOf(&proto::Message::mutable_checkpoint_written, [&](proto::CheckpointWritten& written) {
                  written.set_app(1), written.set_stream(take.stream()), written.set_when_ms(take.when_ms()), written.set_executor(id_);
                  for (std::uint32_t node : take.nodes()) {
                    bool known = std::any_of(plans_.begin(), plans_.end(), [&](const auto& plan) { return plan.second->position(node) >= 0; });
                    if (!known) return written.set_error("the plan is not installed");
                  }
                  for (int i = 0; i < take.nodes_size(); ++i) {
                    auto held = kept.find({take.nodes(i), take.when_ms(), take.partitions(i)});
                    EXPECT_NE(held, kept.end()) << "asked to write a version that it does not hold";
                    auto* file = written.add_files();
                    file->set_node(take.nodes(i)), file->set_partition(take.partitions(i));
                    file->set_name("state-" + std::to_string(held == kept.end() ? 0 : held->second));
                  }
                  for (int i = 0; i < take.pane_nodes_size(); ++i) {
                    auto held = kept.find({take.pane_nodes(i), take.when_ms(), take.pane_partitions(i)});
                    EXPECT_NE(held, kept.end()) << "asked to write a pane that it does not hold";
                    auto* file = written.add_files();
                    file->set_node(take.pane_nodes(i)), file->set_partition(take.pane_partitions(i)), file->set_pane(true);
                    file->set_name("state-" + std::to_string(held == kept.end() ? 0 : held->second));
                    ++panesWritten;
                  }
                }));
  } else if (m.has_restore()) {
    const auto& restore = m.restore();
    for (const auto& file : restore.files()) {
      kept[{file.node(), restore.when_ms(), file.partition()}] = std::strtoull(file.name().c_str() + 6, nullptr, 10);
    }
    fleet_.tell({Role::kExecutor, id_}, Fleet::messageOf(&proto::Message::mutable_restored, [&](proto::Restored& restored) {
                  restored.set_app(1), restored.set_when_ms(restore.when_ms()), restored.set_executor(id_);
                  *restored.mutable_files() = restore.files();
                }));
  }
}

// Values of the node, and segments of its rows, below the mark are gone.
void FakeExecutor::release(const proto::Mark& mark) {
  std::erase_if(kept, [&](const auto& v) { return v.first.node == mark.node() && v.first.whenMs < mark.below_ms(); });
  auto ofNode = [&](ExchangeId exchange, std::int64_t when) {
    auto marked = marked_.find(exchange);
    return marked != marked_.end() && marked->second == mark.node() && when < mark.below_ms();
  };
  std::erase_if(inbound_, [&](const auto& s) { return ofNode(std::get<0>(s.first), std::get<1>(s.first)); });
  std::erase_if(outbound_, [&](const auto& s) { return ofNode(std::get<0>(s.first), std::get<1>(s.first)); });
}

void FakeExecutor::answer(const proto::Publish& publish) {
  fleet_.tell({Role::kExecutor, id_}, Fleet::messageOf(&proto::Message::mutable_published, [&](proto::Published& done) {
                *done.mutable_instance() = publish.instance();
                done.set_executor(id_);
                for (const auto& file : publish.files()) done.add_outputs(file.output());
                for (const auto& rolling : publish.rolling()) done.add_outputs(rolling.output());
              }));
}

void FakeExecutor::seal(std::uint32_t node, std::int64_t when, std::vector<proto::Input> blocks, bool stopped) {
  fleet_.tell({Role::kExecutor, id_}, Fleet::messageOf(&proto::Message::mutable_stored, [&](proto::Stored& stored) {
                stored.set_app(1), stored.set_node(node), stored.set_incarnation(receivers[node]), stored.set_executor(id_);
                stored.set_first_sequence(sequence_[node]), stored.set_sealed_ms(when), stored.set_stopped(stopped);
                for (auto& block : blocks) {
                  block.mutable_block()->set_source(node), block.mutable_block()->set_incarnation(receivers[node]);
                  block.mutable_block()->set_sequence(sequence_[node]++);
                  if (block.holders_size() == 0) block.add_holders(id_);
                  *stored.add_blocks() = block;
                }
              }));
}

bool FakeExecutor::ready(const Task& task, const TaskReads& reads) {
  for (const auto& shuffle : reads.shuffles) {
    std::uint32_t maps = task.view->tasks(*task.view->exchangeStage(shuffle.exchange), shuffle.whenMs, facts_);
    for (std::uint32_t m = 0; m < maps; ++m) {
      if (!inbound_.contains({shuffle.exchange, shuffle.whenMs, m, shuffle.reducer})) return false;
    }
  }
  for (const auto& value : reads.kept) {
    auto route = routes_.find(value);
    if (kept.contains(value)) continue;
    if (route == routes_.end()) return false;  // a task of this executor makes it
    auto holder = fleet_.executors.find(route->second);
    if (holder == fleet_.executors.end() || !holder->second->kept.contains(value)) return false;
  }
  return true;
}

std::string FakeExecutor::stuck() const {
  std::string text;
  for (const auto& task : tasks_) {
    const Stage& stage = task.view->stages()[task.stage];
    text += "executor " + std::to_string(id_) + ": stage " + std::to_string(task.stage) + " root " + std::to_string(stage.root) + " when " +
            std::to_string(task.when) + " partition " + std::to_string(task.partition) + " waits for";
    TaskReads reads = task.view->reads(stage, task.when, task.partition, facts_);
    for (const auto& shuffle : reads.shuffles) {
      std::uint32_t maps = task.view->tasks(*task.view->exchangeStage(shuffle.exchange), shuffle.whenMs, facts_);
      for (std::uint32_t m = 0; m < maps; ++m) {
        if (inbound_.contains({shuffle.exchange, shuffle.whenMs, m, shuffle.reducer})) continue;
        text += " segment(" + std::to_string(shuffle.exchange.node) + " map " + std::to_string(m) + " reducer " +
                std::to_string(shuffle.reducer) + ")";
      }
    }
    for (const auto& value : reads.kept) {
      if (kept.contains(value)) continue;
      auto route = routes_.find(value);
      text += " value(" + std::to_string(value.node) + " at " + std::to_string(value.whenMs) + " partition " + std::to_string(value.partition) +
              " from " + (route == routes_.end() ? "here" : std::to_string(route->second)) + ")";
    }
    text += "\n";
  }
  return text;
}

std::set<std::uint64_t> FakeExecutor::destinations(const proto::Epoch& epoch, ExchangeId e, std::int64_t when, std::uint32_t reducer,
                                                          std::uint32_t n, bool broadcast) {
  std::set<std::uint64_t> to;
  auto moved = moved_.find({e.node, when, reducer});
  if (moved != moved_.end()) to = moved->second;
  if (broadcast) {
    for (const auto& member : epoch.members()) to.insert(member.executor());
  } else if (to.empty()) {
    to.insert(epoch.members(int(placeOf(epoch, reducer, n))).executor());
  }
  return to;
}

void FakeExecutor::run(const Task& task, const TaskReads& reads) {
  const Stage& stage = task.view->stages()[task.stage];
  std::uint64_t value = mixed(stage.root, task.partition);
  for (const auto& shuffle : reads.shuffles) {
    std::uint32_t maps = task.view->tasks(*task.view->exchangeStage(shuffle.exchange), shuffle.whenMs, facts_);
    for (std::uint32_t m = 0; m < maps; ++m) value = mixed(value, inbound_.at({shuffle.exchange, shuffle.whenMs, m, shuffle.reducer}));
  }
  for (const auto& id : reads.kept) {
    auto local = kept.find(id);
    value = mixed(value, local != kept.end() ? local->second : fleet_.executors.at(routes_.at(id))->kept.at(id));
  }
  for (const auto& id : reads.sources) {
    value = mixed(value, id.node);
    for (const auto& input : sources_[id]) value = mixed(value, input.block().sequence() * 31 + input.block().incarnation());
  }
  auto envelope = std::make_shared<Envelope>();
  auto* prepared = envelope->message.mutable_prepared();
  *prepared->mutable_instance() = task.instance;
  prepared->set_k(task.k), prepared->set_executor(id_);
  auto* tasks = prepared->mutable_tasks();
  for (const auto& id : reads.sources) {
    if (fleet_.recordsRead == 0) break;
    auto* read = prepared->add_reads();
    read->set_node(id.node), read->set_when_ms(id.whenMs), read->set_partition(id.partition), read->set_records(fleet_.recordsRead);
  }
  tasks->add_stage(task.stage), tasks->add_when_ms(task.when), tasks->add_partition(task.partition), tasks->add_attempt(task.attempt);
  if (stage.sink == Stage::Sink::kExchange) {
    if (task.name != 0) left[{task.name, stage.exchange.edge, task.partition}] = value;
    return push(task, value);  // nobody tells the master of map tasks
  }
  if (stage.sink == Stage::Sink::kKeep) {
    std::int64_t when = task.view->whenOf(task.view->node(stage.root), task.when);
    kept[{stage.root, when, task.partition}] = value;
    auto* told = prepared->add_kept();
    told->set_node(stage.root), told->set_when_ms(when), told->set_partition(task.partition), told->set_executor(id_);
  } else {
    auto* result = prepared->add_results();
    const auto& output = task.view->plan().outputs(int(stage.output));
    result->set_output(stage.output), result->set_partition(task.partition), result->set_attempt(task.attempt), result->set_rows(1);
    result->set_attachment(-1);
    if (output.kind() == proto::OUTPUT_RESULTS && !fleet_.holdResults) {
      result->set_attachment(0);
      envelope->attachments.push_back(Bytes::of(std::to_string(value)));
    } else if (output.kind() == proto::OUTPUT_PRINT) {
      result->add_lines("(" + std::to_string(value) + ")");
    } else if (output.kind() == proto::OUTPUT_FILES || output.kind() == proto::OUTPUT_ROLLING) {
      result->set_staged("/staged/" + std::to_string(task.partition) + "-" + std::to_string(task.attempt));
    }
  }
  told_.push_back(envelope);
  if (told_.size() > 200) told_.pop_front();
  fleet_.tell({Role::kExecutor, id_}, envelope);
}

void FakeExecutor::push(const Task& task, std::uint64_t value) {
  const Stage& stage = task.view->stages()[task.stage];
  const auto& edge = task.view->node(stage.exchange.node).edges(int(stage.exchange.edge));
  bool broadcast = edge.exchange() == proto::EXCHANGE_BROADCAST;
  std::uint32_t reducers = edge.exchange() == proto::EXCHANGE_GATHER ? 1 : task.view->partitions(stage.exchange.node, task.when, facts_);
  outbound_[{stage.exchange, task.when, task.partition}] = {value, task.epoch, reducers, broadcast};
  for (std::uint32_t r = 0; r < reducers; ++r) {
    for (std::uint64_t to : destinations(epochs_.at(task.epoch), stage.exchange, task.when, r, reducers, broadcast)) {
      auto it = fleet_.executors.find(to);
      if (it != fleet_.executors.end()) it->second->take(stage.exchange, task.when, task.partition, r, mixed(value, r));
    }
  }
}

void FakeExecutor::pushFound(const Task& task) {
  const Stage& stage = task.view->stages()[task.stage];
  auto it = left.find({task.name, stage.exchange.edge, task.partition});
  if (it != left.end()) return push(task, it->second);
  auto envelope = Fleet::messageOf(&proto::Message::mutable_failed, [&](proto::Failed& failed) {
    *failed.mutable_instance() = task.instance;
    failed.set_domain(proto::DOMAIN_LOST);
    failed.set_k(task.k), failed.set_executor(id_), failed.set_stage(task.stage), failed.set_when_ms(task.when), failed.set_partition(task.partition);
    failed.set_attempt(task.attempt);
  });
  told_.push_back(envelope);
  fleet_.tell({Role::kExecutor, id_}, envelope);
}

void FakeExecutor::tellAgain() {
  auto again = told_;
  for (const auto& envelope : again) fleet_.tell({Role::kExecutor, id_}, envelope);
}

void FakeExecutor::runReady() {
  auto tasks = std::exchange(tasks_, {});
  std::vector<Task> waiting;
  for (const auto& task : tasks) {
    const Stage& stage = task.view->stages()[task.stage];
    if (task.found) {
      pushFound(task);
      continue;
    }
    TaskReads reads = task.view->reads(stage, task.when, task.partition, facts_);
    if (!ready(task, reads)) {
      waiting.push_back(task);
      continue;
    }
    std::optional<proto::Failed> failed;
    if (fleet_.fails) failed = fleet_.fails(id_, stage, task.when, task.partition, task.attempt);
    if (!failed) {
      ++ran;
      run(task, reads);
      continue;
    }
    fleet_.tell({Role::kExecutor, id_}, Fleet::messageOf(&proto::Message::mutable_failed, [&](proto::Failed& f) {
                  f = *failed;
                  *f.mutable_instance() = task.instance;
                  f.set_k(task.k), f.set_executor(id_), f.set_stage(task.stage), f.set_when_ms(task.when), f.set_partition(task.partition);
                  f.set_attempt(task.attempt);
                }));
  }
  tasks_.insert(tasks_.begin(), waiting.begin(), waiting.end());
}

void FakeExecutor::runReady(std::mt19937_64& random) {
  if (tasks_.empty()) return;
  auto all = std::exchange(tasks_, {});
  std::size_t one = random() % all.size();
  tasks_.push_back(all[one]);
  runReady();
  all.erase(all.begin() + std::ptrdiff_t(one));
  tasks_.insert(tasks_.end(), all.begin(), all.end());
}

}  // namespace sluice::master
