#include "master/storage.h"

namespace sluice::master {
namespace {

std::shared_ptr<Envelope> askFor(const App& app, std::uint64_t request) {
  return messageOf(&proto::Message::mutable_ask_storage, [&](proto::AskStorage& ask) { ask.set_app(app.id.value), ask.set_request(request); });
}

void settle(State& s, App& app, std::uint64_t request) {
  auto it = app.storageAsked.find(request);
  if (it == app.storageAsked.end() || !it->second.missing.empty()) return;
  auto answer = std::move(it->second.answer);
  app.storageAsked.erase(it);
  std::set<std::uint32_t> nodes;
  for (const auto& part : answer.parts()) nodes.insert(part.node());
  for (std::uint32_t node : nodes) {
    RunPtr run = app.values.keep(node, 0);
    if (!run) continue;
    auto& dataset = *answer.add_datasets();
    dataset.set_node(node), dataset.set_partitions(std::uint32_t(run->parts.size()));
  }
  if (app.driver) s.send(*app.driver, messageOf(&proto::Message::mutable_storage, [&](proto::Storage& storage) { storage = std::move(answer); }));
}

}  // namespace

void askStorage(State& s, App& app, const proto::AskStorage& ask) {
  StorageAsked asked;
  asked.answer.set_app(app.id.value), asked.answer.set_request(ask.request());
  for (std::uint32_t index : app.up) {
    asked.missing.insert(app.executors[index]->id.value);
    s.send(app.executors[index]->peer(), askFor(app, ask.request()));
  }
  app.storageAsked[ask.request()] = std::move(asked);
  settle(s, app, ask.request());
}

void takeStorage(State& s, App& app, const proto::Storage& storage) {
  auto it = app.storageAsked.find(storage.request());
  if (it == app.storageAsked.end() || it->second.missing.erase(storage.executor()) == 0) return;
  it->second.answer.mutable_parts()->MergeFrom(storage.parts());
  settle(s, app, storage.request());
}

void forgetStorage(State& s, App& app, const Executor& executor) {
  std::vector<std::uint64_t> requests;
  for (auto& [request, asked] : app.storageAsked) {
    if (asked.missing.erase(executor.id.value) != 0) requests.push_back(request);
  }
  for (std::uint64_t request : requests) settle(s, app, request);
}

void resendStorage(State& s, App& app, const Executor& executor) {
  for (auto& [request, asked] : app.storageAsked) {
    if (asked.missing.contains(executor.id.value)) s.send(executor.peer(), askFor(app, request));
  }
}

}  // namespace sluice::master
