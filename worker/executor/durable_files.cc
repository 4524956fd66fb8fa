#include "worker/executor/durable_files.h"

#include <set>

#include "sluice/error.h"
#include "worker/executor/directories.h"
#include "worker/executor/published_files.h"
#include "worker/executor/state_file.h"

namespace sluice::executor {

namespace {

bool isStateful(const PlanTemplate& plan, std::uint32_t node) {
  const OpDesc* op = plan.codeOf(node).op;
  return op && op->form == OpDesc::Form::kStateful;
}

}  // namespace

void DurableFiles::onPublish(const proto::Publish& publish) {
  auto request = std::make_shared<const proto::Publish>(publish);
  auto error = std::make_shared<std::string>();
  control_.background(
      [request, error] {
        try {
          publishFiles(*request);
        } catch (const Error& failure) {
          *error = failure.what();
        }
      },
      [this, request, error] {
        auto [envelope, published] = compose(&proto::Message::mutable_published);
        *published->mutable_instance() = request->instance();
        std::set<std::uint32_t> outputs;
        for (const auto& file : request->files()) outputs.insert(file.output());
        for (const auto& rolling : request->rolling()) outputs.insert(rolling.output());
        for (std::uint32_t output : outputs) published->add_outputs(output);
        published->set_error(*error);
        published->set_executor(control_.options.executor.value);
        control_.send(kMasterPeer, std::move(envelope));
      });
}

void DurableFiles::onTakeCheckpoint(const proto::TakeCheckpoint& take) {
  struct Part {
    proto::CheckpointFile file;
    std::string typeName;
    RowsPtr rows;
  };
  auto parts = std::make_shared<std::vector<Part>>();
  auto error = std::make_shared<std::string>();
  for (int i = 0; i < take.nodes_size() && i < take.partitions_size(); ++i) {
    Part part;
    part.file.set_node(take.nodes(i)), part.file.set_partition(take.partitions(i));
    part.rows = values_.version(take.nodes(i), take.when_ms(), take.partitions(i));
    if (part.rows && part.rows->state) part.rows = part.rows->state;
    if (!part.rows) *error = "state partition " + std::to_string(take.partitions(i)) + " of node " + std::to_string(take.nodes(i)) + " is not here";
    if (auto plan = templates_.withNode(take.nodes(i))) {
      part.file.set_uid(plan->view.node(take.nodes(i)).uid());
      part.typeName = plan->view.node(take.nodes(i)).state_type_name();
      part.file.set_stateful(isStateful(*plan, take.nodes(i))), part.file.set_type_name(part.typeName);
    }
    part.file.set_name("state-" + std::to_string(take.when_ms()) + "-" + std::to_string(take.nodes(i)) + "-" +
                       std::to_string(take.partitions(i)) + "-" + std::to_string(control_.options.executor.value) + ".rows");
    parts->push_back(std::move(part));
  }
  auto reply = [this, parts, error, app = take.app(), stream = take.stream(), when = take.when_ms()] {
    auto [envelope, written] = compose(&proto::Message::mutable_checkpoint_written);
    written->set_app(app), written->set_stream(stream), written->set_when_ms(when);
    written->set_executor(control_.options.executor.value);
    written->set_error(*error);
    if (error->empty()) {
      for (Part& part : *parts) *written->add_files() = std::move(part.file);
    }
    control_.send(kMasterPeer, std::move(envelope));
  };
  if (!error->empty()) return reply();
  control_.background(
      [parts, error, directory = take.directory(), &store = control_.store()] {
        try {
          for (Part& part : *parts) {
            StateFile file = writeStateFile(directory + "/" + part.file.name(), part.typeName, *part.rows, store);
            part.file.set_bytes(file.bytes), part.file.set_checksum(file.checksum), part.file.set_rows(file.rows);
          }
          syncDirectory(directory);
        } catch (const Error& failure) {
          *error = failure.what();
        }
      },
      std::move(reply));
}

void DurableFiles::onRestore(const proto::Restore& restore) {
  auto request = std::make_shared<const proto::Restore>(restore);
  auto found = std::make_shared<std::vector<RowsPtr>>();
  auto error = std::make_shared<std::string>();
  control_.background(
      [request, found, error, &store = control_.store()] {
        try {
          for (int i = 0; i < request->files_size(); ++i) {
            const auto& file = request->files(i);
            found->push_back(readStateFile(request->directory() + "/" + file.name(), {file.bytes(), file.checksum(), file.rows()},
                                           file.type_name(), store));
            if (store.over()) store.makeRoom();
          }
        } catch (const Error& failure) {
          *error = failure.what();
        }
      },
      [this, request, found, error] {
        auto [envelope, restored] = compose(&proto::Message::mutable_restored);
        restored->set_app(request->app()), restored->set_when_ms(request->when_ms());
        restored->set_executor(control_.options.executor.value);
        restored->set_error(*error);
        for (std::size_t i = 0; error->empty() && i < found->size(); ++i) {
          const auto& file = request->files(int(i));
          RowsPtr rows = (*found)[i];
          if (file.stateful()) {
            auto version = std::make_shared<Rows>();  // of its records nothing is asked any more
            version->state = std::move(rows);
            rows = std::move(version);
          }
          values_.keep({file.node(), request->when_ms(), file.partition()}, std::move(rows));
          *restored->add_files() = file;
        }
        control_.send(kMasterPeer, std::move(envelope));
      });
}

}  // namespace sluice::executor
