#include "worker/executor/durable_files.h"

#include <map>
#include <optional>
#include <set>
#include <utility>

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
    RowsPtr rows;
  };
  auto parts = std::make_shared<std::vector<Part>>();
  auto error = std::make_shared<std::string>();
  auto missing = std::make_shared<std::set<std::size_t>>();  // of the parts: the master thinks that they are here
  const std::string prefix = "state-" + std::to_string(take.when_ms()) + "-", suffix = "-" + std::to_string(control_.options.executor.value) + ".rows";
  auto add = [&](std::uint32_t node, std::uint32_t partition, RowsPtr rows, bool pane) {
    Part part{{}, std::move(rows)};
    const bool here = part.rows && control_.store().present(*part.rows);
    if (!here) *error = "partition " + std::to_string(partition) + " of node " + std::to_string(node) + " is not here";
    if (!here) missing->insert(parts->size());
    auto plan = templates_.withNode(node);
    if (here && !plan) *error = "node " + std::to_string(node) + " is of no plan that is installed here";
    part.file.set_node(node), part.file.set_partition(partition), part.file.set_pane(pane), part.file.set_when_ms(take.when_ms());
    if (plan) {
      const auto& planned = plan->view.node(node);
      part.file.set_uid(planned.uid()), part.file.set_type_name(pane ? planned.type_name() : planned.state_type_name());
      part.file.set_stateful(!pane && isStateful(*plan, node));
    }
    if (!pane) part.file.set_name(prefix + std::to_string(node) + "-" + std::to_string(partition) + suffix);
    parts->push_back(std::move(part));
  };
  for (int i = 0; i < take.nodes_size() && i < take.partitions_size(); ++i) {
    RowsPtr rows = values_.version(take.nodes(i), take.when_ms(), take.partitions(i));
    add(take.nodes(i), take.partitions(i), rows && rows->state ? rows->state : rows, false);
  }
  for (int i = 0; i < take.pane_nodes_size() && i < take.pane_partitions_size(); ++i) {
    add(take.pane_nodes(i), take.pane_partitions(i), values_.read({take.pane_nodes(i), take.when_ms(), take.pane_partitions(i)}), true);
  }
  auto reply = [this, parts, error, missing, app = take.app(), stream = take.stream(), when = take.when_ms()] {
    auto [envelope, written] = compose(&proto::Message::mutable_checkpoint_written);
    written->set_app(app), written->set_stream(stream), written->set_when_ms(when);
    written->set_executor(control_.options.executor.value);
    written->set_error(*error);
    for (std::size_t i = 0; i < parts->size(); ++i) {
      if (error->empty() || missing->contains(i)) *written->add_files() = std::move((*parts)[i].file);
    }
    control_.send(kMasterPeer, std::move(envelope));
  };
  if (!error->empty()) return reply();
  // All panes of a time go together, and so into one file.
  std::string panes = prefix + "panes-" + std::to_string(take.cut_ms()) + suffix;
  control_.background(
      [parts, error, panes, directory = take.directory(), &store = control_.store()] {
        auto write = [&](StateFileWriter& writer, Part& part) {
          StateRows rows = writer.add(part.file.type_name(), *part.rows, store);
          part.file.set_offset(rows.offset), part.file.set_bytes(rows.bytes), part.file.set_checksum(rows.checksum), part.file.set_rows(rows.rows);
        };
        try {
          std::optional<StateFileWriter> shared;
          for (Part& part : *parts) {
            if (part.file.pane() && part.rows->rows == 0) continue;  // its name stays empty: there is nothing to read
            if (part.file.pane()) {
              if (!shared) shared.emplace(directory + "/" + panes);
              part.file.set_name(panes);
              write(*shared, part);
            } else {
              StateFileWriter own(directory + "/" + part.file.name());
              write(own, part);
              own.finish();
            }
          }
          if (shared) shared->finish();
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
            if (file.name().empty()) {
              found->push_back(std::make_shared<Rows>());
              continue;
            }
            found->push_back(readStateFile(request->directory() + "/" + file.name(), {file.offset(), file.bytes(), file.checksum(), file.rows()},
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
        if (!error->empty()) *restored->mutable_files() = request->files();
        std::map<std::pair<std::uint32_t, std::uint32_t>, std::shared_ptr<Rows>> values;  // of a stateful node: its records and its state
        for (std::size_t i = 0; error->empty() && i < found->size(); ++i) {
          const auto& file = request->files(int(i));
          auto& value = values[{file.node(), file.partition()}];
          if (file.stateful()) {
            if (!value) value = std::make_shared<Rows>();  // without a pane nobody asks for its records any more
            value->state = (*found)[i];
          } else {
            RowsPtr state = value ? value->state : nullptr;
            value = std::make_shared<Rows>(*(*found)[i]);
            value->state = std::move(state);
          }
          *restored->add_files() = file;
        }
        for (auto& [at, rows] : values) values_.keep({at.first, request->when_ms(), at.second}, std::move(rows));
        control_.send(kMasterPeer, std::move(envelope));
      });
}

}  // namespace sluice::executor
