#include "master/publishing.h"

#include <algorithm>
#include <map>

#include "common/output_files.h"

namespace sluice::master {
namespace {

constexpr std::uint32_t kTries = 4;

std::uint32_t elsewhere(const App& app, std::uint32_t at) {
  auto next = std::upper_bound(app.up.begin(), app.up.end(), at);
  return next == app.up.end() ? app.up.front() : *next;
}

}  // namespace

Publication publicationOf(const App& app, const proto::Plan& plan, const proto::Decided& decided, const proto::InstanceId& instance,
                          std::uint64_t after) {
  Publication files;
  files.instance = instance, files.after = after;
  for (const auto& decision : decided.outputs()) {
    if (!decision.abandoned().empty() || int(decision.output()) >= plan.outputs_size()) continue;
    const auto& output = plan.outputs(int(decision.output()));
    if (output.kind() != proto::OUTPUT_FILES) continue;
    std::string directory = outputDirectory(output, decided.job() != 0 ? 0 : decided.when_ms());
    std::uint32_t parts = 0;
    for (const auto& part : decision.parts()) {
      if (part.staged().empty()) continue;
      parts = std::max(parts, part.partition() + 1);
      const Executor* stager = app.executor(part.executor());
      Publication::File file;
      file.output = decision.output(), file.partition = part.partition();
      file.staged = part.staged(), file.final = directory + "/" + partName(output, part.partition());
      file.at = stager ? stager->index : kNowhere;
      files.files.push_back(std::move(file));
    }
    Publication::File marker;
    marker.output = decision.output(), marker.final = directory + "/" + kSuccessName, marker.at = kNowhere, marker.marker = true;
    marker.parts = parts, marker.extension = partExtension(output);
    files.files.push_back(std::move(marker));
  }
  return files;
}

void publish(State& s, App& app, Publication& files) {
  if (app.up.empty()) return;
  std::map<std::uint32_t, std::shared_ptr<Envelope>> messages;
  for (auto& file : files.files) {
    if (file.sent || file.done) continue;
    if (file.marker && std::any_of(files.files.begin(), files.files.end(),
                                   [&](const auto& part) { return !part.marker && part.output == file.output && !part.done; })) {
      continue;
    }
    if (!app.isUp(file.at)) file.at = elsewhere(app, file.at);
    file.sent = true;
    auto& envelope = messages[file.at];
    if (!envelope) envelope = std::make_shared<Envelope>();
    auto* message = envelope->message.mutable_publish();
    *message->mutable_instance() = files.instance;
    if (file.rolling) {
      *message->add_rolling() = *file.rolling;
      continue;
    }
    auto* item = message->add_files();
    item->set_output(file.output), item->set_partition(file.partition), item->set_staged(file.staged), item->set_final(file.final);
    item->set_parts(file.parts), item->set_extension(file.extension);
  }
  for (auto& [at, envelope] : messages) s.send(app.executors[at]->peer(), std::move(envelope), files.after);
}

void takePublished(State& s, App& app, Publication& files, const proto::Published& published) {
  Executor* executor = app.executor(published.executor());
  if (!executor) return;
  for (auto& file : files.files) {
    if (file.at != executor->index || !file.sent || file.done) continue;
    const auto& outputs = published.outputs();
    if (!outputs.empty() && std::find(outputs.begin(), outputs.end(), file.output) == outputs.end()) continue;
    if (published.error().empty()) {
      file.done = true;
    } else if (++file.tries < kTries) {
      file.sent = false;
      file.at = elsewhere(app, file.at);
    } else {
      file.done = true;
      const std::string& what = file.rolling ? file.rolling->directory() : file.final;
      if (files.error.empty()) files.error = "cannot publish " + what + ": " + published.error();
    }
  }
  publish(s, app, files);
}

void republish(State& s, App& app, Publication& files, std::uint32_t executor) {
  for (auto& file : files.files) {
    if (file.at == executor && file.sent && !file.done) file.sent = false;
  }
  publish(s, app, files);
}

}  // namespace sluice::master
