// Leaves of batch jobs, and actions.
#include "client/jobs.h"

#include <algorithm>
#include <filesystem>

#include "client/context_core.h"
#include "client/file_inputs.h"
#include "client/file_outputs.h"
#include "client/plan_node.h"
#include "client/stream_core.h"
#include "sluice/context.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

struct JobRows::Body {
  Driver::Results results;
};

namespace {

std::uint32_t checkedParts(std::size_t count, const NodeFacts& facts) {
  if (count == 0 || count > 1'000'000) {
    throwError(ErrorKind::kInvalidArgument, std::string(facts.name) + ": the number of partitions is " + std::to_string(count) + "; it must be above 0");
  }
  return std::uint32_t(count);
}

NodeRef staticNode(ContextCore& context, std::shared_ptr<SourceSpec> spec, const NodeFacts& facts) {
  spec->source.set_kind(proto::SOURCE_STATIC);
  spec->seal();
  NodeRef node = newNode(ContextRef(&context), PlanNode::Kind::kSource, facts);
  node->source = std::move(spec);
  return node;
}

Driver::Results run(const NodeRef& node, OutputRequest output, std::vector<std::uint32_t> partitions, CallSite site) {
  ContextRef context = contextOf(node);
  PlanRequest request;
  request.action = output.name;
  output.node = node, output.site = site;
  request.outputs.push_back(std::move(output));
  request.perBatch = [](const PlanNode& of, std::int64_t when) { return plannedFor(of, when); };
  return context->run(request, std::move(partitions), site);
}

OutputRequest requestFor(proto::OutputKind kind, const char* action) {
  OutputRequest output;
  output.kind = kind, output.name = action;
  return output;
}

}  // namespace

NodeRef addRows(ContextCore& context, StaticPart* parts, std::size_t count, const NodeFacts& facts) {
  auto spec = std::make_shared<SourceSpec>();
  for (std::size_t i = 0; i < count; ++i) {
    auto& input = *spec->source.add_inputs();
    input.set_rows(parts[i].rows.data(), parts[i].rows.size());
    input.set_records(parts[i].records), input.set_bytes(parts[i].rows.size());
    for (std::string& place : parts[i].places) input.add_places(std::move(place));
  }
  return staticNode(context, std::move(spec), facts);
}

NodeRef addRange(ContextCore& context, std::int64_t from, std::int64_t to, std::int64_t step, std::size_t parts, const NodeFacts& facts) {
  if (step == 0) throwError(ErrorKind::kInvalidArgument, "range: the step is 0");
  checkedParts(parts, facts);
  // In 128 bits: from the lowest to the highest integer there are more steps than fit into 64.
  __int128 span = __int128(to) - from, wide = step;
  __int128 count = (span > 0) == (wide > 0) && span != 0 ? (span + wide + (wide > 0 ? -1 : 1)) / wide : 0;
  auto spec = std::make_shared<SourceSpec>();
  for (std::size_t i = 0; i < parts; ++i) {
    __int128 first = count * __int128(i) / __int128(parts), last = count * __int128(i + 1) / __int128(parts);
    auto& input = *spec->source.add_inputs();
    auto& range = *input.mutable_generated();
    range.set_from(std::int64_t(from + first * wide)), range.set_step(step);
    // The end of the last part may lie beyond what 64 bits hold: there the given end does as well.
    range.set_to(last == count ? to : std::int64_t(from + last * wide));
    if (first == last) range.set_to(range.from());
    input.set_records(std::uint64_t(last - first)), input.set_bytes(std::uint64_t(last - first) * 8);
  }
  return staticNode(context, std::move(spec), facts);
}

NodeRef addFiles(ContextCore& context, std::string_view paths, const FileForm& form, int minPartitions, const NodeFacts& facts) {
  std::size_t atLeast = minPartitions > 0 ? std::size_t(minPartitions) : context.defaultParallelism();
  auto spec = std::make_shared<SourceSpec>();
  setForm(facts.name, form, spec->source);
  for (auto& input : cutFiles(facts.name, paths, form, std::max<std::size_t>(atLeast, 1))) *spec->source.add_inputs() = std::move(input);
  return staticNode(context, std::move(spec), facts);
}

std::uint32_t askPartitions(const NodeRef& node) { return run(node, requestFor(proto::OUTPUT_NONE, "getNumPartitions"), {kNoPartition}, node->site).partitions; }

JobRows::~JobRows() { delete body_; }
std::size_t JobRows::size() const { return body_ ? body_->results.parts.size() : 0; }
JobRows::Part JobRows::part(std::size_t i) const {
  const auto& part = body_->results.parts[i];
  return {part.partition, part.rows, part.bytes.view()};
}
std::uint64_t JobRows::records() const {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < size(); ++i) sum += body_->results.parts[i].rows;
  return sum;
}
std::uint32_t JobRows::partitions() const { return body_ ? body_->results.partitions : 0; }

JobRows rowsOf(Driver::Results results) { return JobRows(new JobRows::Body{std::move(results)}); }

JobRows runJob(const NodeRef& node, const char* action, CallSite site) {
  return rowsOf(run(node, requestFor(proto::OUTPUT_RESULTS, action), {}, site));
}

std::vector<std::uint32_t> checkedPartitions(const NodeRef& node, const std::vector<int>& partitions, const char* method) {
  std::uint32_t all = partitionsOf(node);
  for (int p : partitions) {
    if (p >= 0 && std::uint32_t(p) < all) continue;
    throwError(ErrorKind::kInvalidArgument, std::string(method) + ": there is no partition " + std::to_string(p) + "; the RDD has " + std::to_string(all));
  }
  return {partitions.begin(), partitions.end()};
}

JobRows runJobOn(const NodeRef& node, const std::uint32_t* partitions, std::size_t count, const char* action, CallSite site) {
  return rowsOf(run(node, requestFor(proto::OUTPUT_RESULTS, action), {partitions, partitions + count}, site));
}

void runForEffects(const NodeRef& node, const char* action, CallSite site) { run(node, requestFor(proto::OUTPUT_NONE, action), {}, site); }

void saveFiles(const NodeRef& node, const FileOutput& files, CallSite site) {
  if (files.path.empty()) throwError(ErrorKind::kInvalidArgument, std::string(files.method) + ": the directory has no name");
  std::error_code error;
  OutputRequest output = requestOf(files);
  if (std::filesystem::exists(output.prefix, error)) {
    throwError(ErrorKind::kInvalidArgument, output.name + ": " + output.prefix + " exists already; name a new directory, or remove it");
  }
  run(node, std::move(output), {}, site);
}

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
