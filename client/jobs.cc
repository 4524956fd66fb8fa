// Leaves of batch jobs, and actions.
#include <algorithm>
#include <filesystem>

#include "client/context_core.h"
#include "client/stream_core.h"
#include "client/plan_node.h"

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

Driver::Results run(const NodeRef& node, proto::OutputKind kind, std::vector<std::uint32_t> partitions, const char* action, CallSite site,
                    std::string prefix = {}) {
  ContextRef context = contextOf(node);
  PlanRequest request;
  request.action = action;
  OutputRequest output;
  output.node = node, output.kind = kind, output.name = action, output.site = site, output.prefix = std::move(prefix);
  request.outputs.push_back(std::move(output));
  request.perBatch = [](const PlanNode& of, std::int64_t when) { return plannedFor(of, when); };
  return context->run(request, std::move(partitions), site);
}

}  // namespace

NodeRef addRows(ContextCore& context, StaticPart* parts, std::size_t count, const NodeFacts& facts) {
  auto spec = std::make_shared<SourceSpec>();
  for (std::size_t i = 0; i < count; ++i) {
    auto& input = *spec->source.add_inputs();
    input.set_rows(parts[i].rows.data(), parts[i].rows.size());
    input.set_records(parts[i].records), input.set_bytes(parts[i].rows.size());
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

NodeRef addTextFiles(ContextCore& context, std::string_view paths, std::size_t atLeast, const NodeFacts& facts) {
  auto spec = std::make_shared<SourceSpec>();
  for (auto& input : cutTextFiles(paths, std::max<std::size_t>(atLeast, 1))) *spec->source.add_inputs() = std::move(input);
  spec->source.set_text(true);
  return staticNode(context, std::move(spec), facts);
}

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

JobRows runJob(const NodeRef& node, const char* action, CallSite site) {
  return JobRows(new JobRows::Body{run(node, proto::OUTPUT_RESULTS, {}, action, site)});
}

JobRows runJobOn(const NodeRef& node, const std::uint32_t* partitions, std::size_t count, const char* action, CallSite site) {
  return JobRows(new JobRows::Body{run(node, proto::OUTPUT_RESULTS, {partitions, partitions + count}, action, site)});
}

void runForEffects(const NodeRef& node, const char* action, CallSite site) { run(node, proto::OUTPUT_NONE, {}, action, site); }

void saveText(const NodeRef& node, std::string_view directory, CallSite site) {
  std::error_code error;
  std::string path = std::filesystem::absolute(std::string(directory), error).lexically_normal().string();
  if (directory.empty()) throwError(ErrorKind::kInvalidArgument, "saveAsTextFile: the directory has no name");
  if (std::filesystem::exists(path, error)) {
    throwError(ErrorKind::kInvalidArgument, "saveAsTextFile: " + path + " exists already; name a new directory, or remove it");
  }
  run(node, proto::OUTPUT_FILES, {}, "saveAsTextFile", site, path);
}

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
