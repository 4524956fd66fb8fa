// Tables: an operator, what goes in and what must come out, run on several shapes of cluster and with faults midway.
#pragma once
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "sluice/testing/cluster.h"

namespace sluice {
namespace testing {

// What happens after half of the batches.
enum class Midway {
  kNothing,
  kExecutorLoss,   // executor 1 is killed; not on the local shapes, which have one only
  kMasterRestart,  // the master dies and comes again; on the simulated shape
  kRestore,        // the stream is stopped and a new context goes on from its checkpoint
};
SLUICE_EXPORT const char* nameOf(Midway midway);

// How an expectation runs: once for each shape and what happens midway, where the shape can have it. Name what is not standard:
//
//   How how = {.midway = {Midway::kNothing, Midway::kExecutorLoss}, .checkpoint = true};
struct How {
  std::vector<Shape> shapes = {Shape::kLocal1, Shape::kLocal4, Shape::kSimulated, Shape::kInProcess};
  std::vector<Midway> midway = {Midway::kNothing};
  bool checkpoint = false;         // the streams need a checkpoint directory; each run has a new one
  bool ordered = false;            // the order of records within a batch is compared too
  Duration interval = Seconds(1);  // of the batches
  Conf conf = {};
};

namespace detail {

SLUICE_EXPORT bool canHave(Shape shape, Midway midway);
// A table without its types, for what is compiled once.
struct Table {
  int batches = 0;
  std::function<void(Cluster&, const std::string& name)> define;  // its streams, collected under the name
  std::function<void(const Cluster&, const std::string& name, const std::string& where)> check;
};
// Runs it as `how` says, or adds it to the tables that run together.
SLUICE_EXPORT void runTable(Table table, const How& how, CallSite at);
// Calls body(shape, midway, "local[4], nothing midway") for each; an Error that it throws is thrown again with that name before it. Fails if
// there is none.
SLUICE_EXPORT void everywhere(const How& how, CallSite at, const std::function<void(Shape, Midway, const std::string&)>& body);

// The record type of what op makes of a Handle, or the one that was named.
template <class Op, class Handle, class Out = void> struct Given { using type = Out; };
template <class Op, class Handle> struct Given<Op, Handle, void> { using type = typename std::invoke_result_t<Op&, Handle>::Record; };
template <class... A> using given_t = typename Given<A...>::type;

}  // namespace detail

// op: DStream<In> -> DStream<Out>; its output must be `want`, batch by batch. A mismatch names the shape and all batches that differ.
// Throws Error(kIllegalState) then, and the batch's own error if one failed. Out may be named: expectBatches<In, Out>(…).
//
//   expectBatches<int>({{1, 2}, {}, noRdd, {3}}, [](const auto& s) { return s.map([](int x) { return x + 1; }); }, {{2, 3}, {}, noRdd, {4}});
template <class In, class Named = void, class Op>
void expectBatches(const Batches<In>& in, Op op, const Batches<detail::given_t<Op, DStream<In>, Named>>& want, const How& how = {},
                   CallSite at = CallSite::here()) {
  using Out = detail::given_t<Op, DStream<In>, Named>;
  detail::Table table;
  table.batches = int(want.size());
  table.define = [in, op, at](Cluster& c, const std::string& name) mutable { c.collect(name, DStream<Out>(op(c.template input<In>(in, at)))); };
  table.check = [want, ordered = how.ordered, at](const Cluster& c, const std::string& name, const std::string& where) {
    Batches<Out> got = c.template collected<Out>(name);
    if (got.size() > want.size()) got.erase(got.begin() + std::ptrdiff_t(want.size()), got.end());  // others went on
    expectEqual(got, want, ordered, where, at);
  };
  detail::runTable(std::move(table), how, at);
}
// op: RDD<In> -> RDD<Out>; the records that it gives must be `want`. Midway and interval have no meaning here.
//
//   expectRecords<int>({1, 2, 3}, [](const auto& rdd) { return rdd.filter([](int x) { return x != 2; }); }, {1, 3});
template <class In, class Op>
void expectRecords(const Batch<In>& in, Op op, const Batch<detail::given_t<Op, RDD<In>>>& want, How how = {}, CallSite at = CallSite::here()) {
  using Out = detail::given_t<Op, RDD<In>>;
  how.midway = {Midway::kNothing};
  detail::everywhere(how, at, [&](Shape shape, Midway, const std::string& where) {
    Cluster cluster(shape, how.interval, how.conf);
    Batch<Out> got(noRdd);
    got.parts = op(cluster.dataset<In>(in, at)).glom().collect();
    expectEqual<Out>({got}, {want}, how.ordered, where, at);
  });
}

// Tables that share one cluster, for shapes that take long to start: while it lives, expectBatches does not run its table but adds it here.
// Shapes, midway and interval that a table names are of no effect then; how.conf must be standard. One at a time.
//
//   sluice::testing::TablesTogether tables(sluice::testing::Shape::kProcesses);
//   sluice::testing::expectBatches<int, int>({{1}, {2}}, [](const auto& s) { return s.filter([](int x) { return x > 1; }); }, {{}, {2}});
//   for (const std::string& wrong : tables.run(sluice::testing::Midway::kExecutorLoss)) std::fprintf(stderr, "%s\n", wrong.c_str());
class SLUICE_EXPORT TablesTogether {
 public:
  explicit TablesTogether(Shape shape, Duration interval = Seconds(1));
  ~TablesTogether();
  TablesTogether(const TablesTogether&) = delete;
  // For batch jobs too.
  Cluster& cluster();
  std::size_t size() const;
  // Runs all that were added, in one streaming context; kExecutorLoss: executor 1 is killed after the second batch. The tables that came
  // out wrong, each with what differs. Throws the error of a batch.
  std::vector<std::string> run(Midway midway = Midway::kNothing);
  // The one that lives, or null.
  static TablesTogether* current();

 private:
  friend void detail::runTable(detail::Table table, const How& how, CallSite at);
  struct Body;
  std::unique_ptr<Body> body_;
};

}  // namespace testing
}  // namespace sluice
