// From the lineage graph to a plan: which nodes, in which order, by which codes; its hashes; and what the lambdas captured.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "client/driver.h"
#include "common/images.h"
#include "client/plan_node.h"
#include "client/shipped_files.h"
#include "proto/plan.pb.h"

namespace sluice {

struct OutputRequest {
  detail::NodeRef node;
  proto::OutputKind kind = proto::OUTPUT_NONE;
  std::uint32_t limit = 0;
  std::string prefix, suffix, name;
  CallSite site;
  proto::Output files;  // how files are written: format, schema, compression, rolling
};

// Plans by structure. Two jobs of equal structure get the same plan (with the node ids of the first), so that only captures travel
// again; nodes that keep values or belong to a stream keep their own ids, and make structures differ. Thread-safe use is the caller's.
class TemplateTable {
 public:
  struct Entry {
    std::shared_ptr<const proto::Plan> plan;
    std::vector<std::string> captures;  // of `version`
    std::uint64_t version = 0;
    std::size_t files = 0;  // that travel with it
  };
  Entry* find(std::uint64_t hash);
  Entry& add(std::uint64_t hash, std::shared_ptr<const proto::Plan> plan);
  std::uint64_t nextVersion() { return ++lastVersion_; }

 private:
  static constexpr std::size_t kMost = 1024;  // they are known again when they are needed again
  absl::flat_hash_map<std::uint64_t, Entry> entries_;
  std::uint64_t lastVersion_ = 0;
};

struct PlanRequest {
  std::vector<OutputRequest> outputs;
  bool stream = false;     // of a stream or one of its batches; else a job
  std::string action;      // for messages: "count"
  // What a node that the driver makes for each batch is at the batch that is planned; null: it has no content yet (a stream's own plan).
  std::function<detail::NodeRef(const detail::PlanNode&, std::int64_t whenMs)> perBatch;
  std::int64_t whenMs = 0;  // stream: the batch that is planned
  // Stream-wide settings.
  std::int64_t intervalMs = 0, checkpointIntervalMs = 0, rememberMs = 0;
  std::string checkpointDirectory;
  bool driverPlanned = false;
};

// `broadcasts`: ids of live broadcast values, to be found among the captures. Throws Error, with the call site, for what cannot be
// planned: an operator outside the application's images, an action on a symbolic RDD, one batch's RDD together with another's.
SLUICE_INTERNAL BuiltPlan buildPlan(const PlanRequest& request, const ImageTable& images, TemplateTable& templates,
                                    const std::vector<std::uint64_t>& broadcasts, const ShippedFiles& files);

}  // namespace sluice
