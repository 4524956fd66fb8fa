#include "client/rdd_checkpoints.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>

#include "client/context_core.h"
#include "client/file_inputs.h"
#include "client/file_outputs.h"
#include "client/local_properties.h"
#include "client/stream_core.h"
#include "common/output_files.h"
#include "sluice/detail/checkpoints.h"
#include "sluice/hash.h"
#include "sluice/operator.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAllAncestors = "sluice.checkpoint.checkpointAllMarkedAncestors";  // a local property, as in Spark

// Stands for the lineage that a local checkpoint has cut: asked for only when a kept partition is gone.
class GonePartition final : public PullOperator {
 public:
  static Operator* make(const char*, std::size_t) { return new GonePartition; }
  bool next(Cursor* const*, std::size_t, Chunk&, TaskContext& task) override {
    throwError(ErrorKind::kLost, "partition " + std::to_string(task.nodePart().partition) +
                                     " of its local checkpoint is gone, with the executor that held it or by unpersist, and its lineage was cut; "
                                     "run the job again, with checkpoint() in place of localCheckpoint() if executors are lost");
  }
};
constinit const OpDesc kGonePartition{OpDesc::kMagic, "LocalCheckpoint", OpDesc::Form::kPull, 0, &GonePartition::make};

[[noreturn]] void refuse(ErrorKind kind, const char* method, CallSite site, const std::string& why) {
  throwError(kind, std::string(method) + " at " + siteText(site) + ": " + why);
}

// How the records lie by key stands beside the files, for whoever reads them in another context; partitioners of the application are not kept. The
// hash of a known text tells whether that context hashes as the one did that wrote them.
constexpr const char* kPartitionerName = "_partitioner";
std::string hashLine(std::uint32_t partitions) { return "hash " + std::to_string(partitions) + " " + std::to_string(keyHash(std::string_view("sluice"))); }

void writePartitioner(const PlanNode& node, const std::string& directory) {
  if (node.byKey && !node.key.placer) std::ofstream(directory + "/" + kPartitionerName) << hashLine(node.key.partitions) << "\n";
}

void readPartitioner(PlanNode& node, const std::string& directory, std::uint32_t count) {
  std::ifstream in(directory + "/" + kPartitionerName);
  std::string line;
  if (!std::getline(in, line)) return;
  for (std::uint32_t named : {count, 0u}) {  // 0: the default number, which may be another one here
    if (line == hashLine(named) && (named != 0 || node.context->defaultParallelism() == count)) node.byKey = true, node.key = {named, {}};
  }
}

// A leaf that reads one file a partition.
std::shared_ptr<SourceSpec> filesOf(const std::string& directory, std::uint32_t count, std::string_view schema) {
  auto spec = std::make_shared<SourceSpec>();
  FileForm form{FileForm::Kind::kObjects, 0, schema};
  setForm("checkpoint", form, spec->source);
  proto::Output names;
  names.set_format(proto::FORMAT_OBJECTS);
  for (std::uint32_t p = 0; p < count; ++p) {
    auto& input = *spec->source.add_inputs();
    input.mutable_file()->set_path(directory + "/" + partName(names, p));
    std::error_code error;
    auto bytes = fs::file_size(input.file().path(), error);
    input.set_bytes(error ? 0 : bytes);
  }
  return spec;
}

std::shared_ptr<SourceSpec> emptyParts(std::uint32_t count) {
  auto spec = std::make_shared<SourceSpec>();
  for (std::uint32_t p = 0; p < count; ++p) spec->source.add_inputs()->set_rows("");
  return spec;
}

NodeRef leafOf(ContextCore& context, std::shared_ptr<SourceSpec> spec, const NodeFacts& facts) {
  spec->source.set_kind(proto::SOURCE_STATIC);
  spec->seal();
  NodeRef node = newNode(ContextRef(&context), PlanNode::Kind::kSource, facts);
  node->source = std::move(spec);
  return node;
}

// What is read in place of the node.
NodeRef standInFor(ContextCore& context, const PlanNode& node, std::uint32_t partitions, const std::string& directory, std::string_view schema,
                   const std::string& action) {
  NodeFacts facts{node.name.c_str(), node.site, node.type};
  facts.call = node.call;
  NodeRef made;
  if (!directory.empty()) {
    made = leafOf(context, filesOf(directory, partitions, schema), facts);
  } else {
    NodeRef leaf = leafOf(context, emptyParts(partitions), facts);
    made = newNode(ContextRef(&context), PlanNode::Kind::kPull, facts);
    made->op.desc = &kGonePartition;
    made->inputs.push_back({leaf});
  }
  auto what = std::make_shared<Checkpointed>();
  what->id = made->id, what->directory = directory, what->kind = kindOf(*behind(&node)), what->made = action;
  made->id = node.id, made->byKey = node.byKey, made->key = node.key;
  made->checkpointed = std::move(what);
  return made;
}

}  // namespace

// ---- What is asked for ----

void RddCheckpoints::setDirectory(ContextCore& context, std::string_view directory, CallSite site) {
  context.checkActive();
  if (directory.empty()) refuse(ErrorKind::kInvalidArgument, "setCheckpointDir", site, "the directory has no name");
  std::random_device random;
  char unique[24];
  std::snprintf(unique, sizeof unique, "%08x%08x", unsigned(random()), unsigned(random()));
  std::error_code error;
  std::string made = (fs::absolute(std::string(directory), error).lexically_normal() / (context.driver().appId() + "-" + unique)).string();
  fs::create_directories(made, error);
  if (error) refuse(ErrorKind::kInvalidArgument, "setCheckpointDir", site, std::string(directory) + " cannot be made: " + error.message());
  std::lock_guard lock(mutex_);
  directory_ = std::move(made);
}

std::string RddCheckpoints::directory() const {
  std::lock_guard lock(mutex_);
  return directory_;
}

void RddCheckpoints::mark(const NodeRef& node, std::string_view schema, bool local, CallSite site) {
  std::lock_guard lock(mutex_);
  if (!local && directory_.empty()) {
    refuse(ErrorKind::kIllegalState, "checkpoint", site, "no checkpoint directory is set; call Context::setCheckpointDir(directory) first");
  }
  auto [it, fresh] = marks_.try_emplace(node->id);
  if (!fresh && (!local || it->second.writing)) return;
  it->second = {std::string(schema), local ? "" : directory_ + "/rdd-" + std::to_string(node->id), local, false, site};
  node->marked = true;
}

void RddCheckpoints::forget(std::uint32_t node) {
  std::lock_guard lock(mutex_);
  marks_.erase(node);
}

// ---- After an action ----

std::vector<RddCheckpoints::Due> RddCheckpoints::due(const PlanRequest& request, bool ancestors) {
  std::vector<PlanNode*> found;  // parents first
  std::set<const PlanNode*> seen;
  std::vector<std::pair<PlanNode*, std::size_t>> path;
  auto enter = [&](const NodeRef& node) {
    PlanNode* at = node ? current(node.get()) : nullptr;
    if (at && seen.insert(at).second) path.emplace_back(at, 0);
  };
  for (const auto& output : request.outputs) {
    enter(output.node);
    while (!path.empty()) {
      auto& [at, next] = path.back();
      bool deeper = ancestors || !at->marked;
      if (deeper && next < at->inputs.size()) {
        enter(at->inputs[next++].node);  // may move what `at` refers to
        continue;
      }
      if (at->marked) found.push_back(at);
      path.pop_back();
    }
  }
  std::vector<Due> due;
  std::lock_guard lock(mutex_);
  for (PlanNode* node : found) {
    auto mark = marks_.find(node->id);
    if (mark == marks_.end() || std::exchange(mark->second.writing, true)) continue;
    due.push_back({NodeRef(node), mark->second});
  }
  return due;
}

void RddCheckpoints::follow(ContextCore& context, const PlanRequest& request, CallSite site) {
  {
    std::lock_guard lock(mutex_);
    if (marks_.empty()) return;
  }
  auto set = [&](const char* property) { return LocalProperties::get(context.serial(), property).value_or(""); };
  bool ancestors = set(kAllAncestors) == "true" || !set(LocalProperties::kBatch).empty();
  std::vector<Due> all = due(request, ancestors);
  for (std::size_t i = 0; i < all.size(); ++i) {
    try {
      write(context, all[i], request.action + " at " + siteText(site));
    } catch (...) {
      std::lock_guard lock(mutex_);
      for (; i < all.size(); ++i) {
        if (auto mark = marks_.find(all[i].node->id); mark != marks_.end()) mark->second.writing = false;
      }
      throw;
    }
  }
}

void RddCheckpoints::write(ContextCore& context, const Due& due, const std::string& action) {
  const Mark& mark = due.mark;
  OutputRequest output;
  if (mark.local) {
    output.kind = proto::OUTPUT_NONE, output.name = "localCheckpoint";  // what is not kept yet
  } else {
    FileOutput files{"checkpoint", mark.path};
    files.objects = true, files.schema = mark.schema;
    output = requestOf(files);
  }
  PlanRequest request;
  request.action = output.name;
  output.node = due.node, output.site = mark.site;
  request.outputs.push_back(std::move(output));
  request.perBatch = [](const PlanNode& of, std::int64_t when) { return plannedFor(of, when); };
  std::uint32_t partitions = 0;
  try {
    partitions = context.runJob(request, {}, mark.site).partitions;
  } catch (const Error& error) {
    std::error_code ignored;
    if (!mark.local) fs::remove_all(mark.path, ignored);  // the next try begins anew
    if (error.kind() == ErrorKind::kCancelled) throw;
    throwError(error.kind(), request.action + " at " + siteText(mark.site) + " of " + due.node->place() + ": " + error.what());
  }
  if (!mark.local) writePartitioner(*due.node, mark.path);
  context.replace(*due.node, standInFor(context, *due.node, partitions, mark.path, mark.schema, action));
  due.node->marked = false;
  forget(due.node->id);
}

// ---- The typed face ----

namespace {

// False: there is nothing to be done.
bool canMark(const NodeRef& node, const char* method, CallSite site) {
  ContextRef context = contextOf(node);
  context->checkActive();
  if (isSymbolic(node)) {
    refuse(ErrorKind::kIllegalState, method, site, "an RDD inside transform has no data yet; use DStream::checkpoint, or foreachRDD for the RDD of a batch");
  }
  return !current(node.get())->checkpointed;
}

}  // namespace

void setCheckpointDir(ContextCore& context, std::string_view directory, CallSite site) { context.checkpoints().setDirectory(context, directory, site); }
std::string checkpointDirOf(ContextCore& context) { return context.checkpoints().directory(); }

void markForCheckpoint(const NodeRef& node, std::string_view schema, CallSite site) {
  if (canMark(node, "checkpoint", site)) node->context->checkpoints().mark(node, schema, false, site);
}

void markForLocalCheckpoint(const NodeRef& node, CallSite site) {
  if (!canMark(node, "localCheckpoint", site)) return;
  StorageLevel level = node->level.isKept() ? node->level : StorageLevel::MEMORY_AND_DISK;
  level.disk = true;  // what is pushed out of memory could not be computed again
  if (!(level == node->level)) {
    node->level = StorageLevel::NONE;
    keep(node, level, false);
  }
  node->context->checkpoints().mark(node, {}, true, site);
}

bool isCheckpointed(const NodeRef& node) {
  contextOf(node);  // refuses an empty one
  return current(node.get())->checkpointed != nullptr;
}

std::string checkpointFileOf(const NodeRef& node) {
  contextOf(node);
  const auto& checkpointed = current(node.get())->checkpointed;
  return checkpointed ? checkpointed->directory : "";
}

NodeRef addCheckpointFile(ContextCore& context, std::string_view directory, std::string_view schema, const NodeFacts& facts) {
  std::error_code error;
  std::string path = fs::absolute(std::string(directory), error).lexically_normal().string();
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  auto bad = [&](const std::string& why) { refuse(ErrorKind::kInvalidArgument, facts.name, facts.site, path + why); };
  if (directory.empty()) refuse(ErrorKind::kInvalidArgument, facts.name, facts.site, "the directory has no name");
  if (!fs::is_directory(path, error)) bad(fs::exists(path, error) ? " is no directory" : " does not exist");
  proto::Output names;
  names.set_format(proto::FORMAT_OBJECTS);
  std::uint32_t count = 0, parts = 0;
  while (fs::exists(path + "/" + partName(names, count), error)) ++count;
  for (const auto& entry : fs::directory_iterator(path, error)) parts += entry.path().filename().string().starts_with("part-");
  if (error) bad(" cannot be listed: " + error.message());
  if (parts != count) bad(" holds no whole checkpoint: " + partName(names, count) + " is missing");
  if (!fs::exists(path + "/" + kSuccessName, error)) bad(std::string(" holds no whole checkpoint: ") + kSuccessName + " is missing");
  NodeRef node = leafOf(context, filesOf(path, count, schema), facts);
  auto what = std::make_shared<Checkpointed>();
  what->directory = path;
  readPartitioner(*node, path, count);
  node->checkpointed = std::move(what);
  return node;
}

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
