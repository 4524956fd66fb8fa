#include "sluice/testing/expect.h"

#include <algorithm>

namespace sluice::testing {

namespace {
TablesTogether* together = nullptr;
constexpr int kBeforeTheLoss = 2;
}  // namespace

struct TablesTogether::Body {
  Body(Shape shape, Duration interval) : cluster(shape, interval), directory(temporaryDirectory()) {}
  Cluster cluster;
  const std::string directory;
  std::vector<std::pair<std::string, detail::Table>> tables;
};

const char* nameOf(Midway midway) {
  switch (midway) {
    case Midway::kNothing: return "nothing midway";
    case Midway::kExecutorLoss: return "an executor lost midway";
    case Midway::kMasterRestart: return "master restarted midway";
    case Midway::kRestore: return "restored midway";
  }
  return "?";
}

namespace detail {

bool canHave(Shape shape, Midway midway) {
  switch (midway) {
    case Midway::kExecutorLoss: return shape != Shape::kLocal1 && shape != Shape::kLocal4;  // nobody would be left
    case Midway::kMasterRestart: return shape == Shape::kSimulated;
    default: return true;
  }
}

void everywhere(const How& how, CallSite at, const std::function<void(Shape, Midway, const std::string&)>& body) {
  bool any = false;
  for (Shape shape : how.shapes) {
    for (Midway midway : how.midway) {
      if (!canHave(shape, midway)) continue;
      any = true;
      std::string where = std::string(nameOf(shape)) + ", " + nameOf(midway);
      try {
        body(shape, midway, where);
      } catch (const Error& error) {
        std::string what = error.what();
        if (what.find(where) != std::string::npos) throw;
        throw Error(error.kind(), std::string(at.file) + ":" + std::to_string(at.line) + ": on " + where + ": " + what);
      }
    }
  }
  if (!any) fail("nothing was run: none of the shapes can have any of what happens midway", at);
}

void runTable(Table table, const How& how, CallSite at) {
  if (TablesTogether* together = TablesTogether::current()) {
    auto& body = *together->body_;
    std::string name = std::string(at.file) + ":" + std::to_string(at.line) + ", table " + std::to_string(body.tables.size() + 1);
    if (!how.conf.getAll().empty()) fail("a table with settings of its own needs a cluster of its own", at);
    table.define(body.cluster, name);
    body.tables.emplace_back(std::move(name), std::move(table));
    return;
  }
  everywhere(how, at, [&](Shape shape, Midway midway, const std::string& where) {
    Cluster cluster(shape, how.interval, how.conf);
    std::string directory = how.checkpoint ? temporaryDirectory() : "";
    auto define = [&](Cluster& c) {
      if (how.checkpoint) c.streaming().checkpoint(directory);
      Table each = table;  // a run does not see what functions of the one before have changed
      each.define(c, "output");
    };
    define(cluster);
    int half = table.batches / 2;
    cluster.runBatches(half);
    if (midway == Midway::kExecutorLoss) cluster.kill(1);
    if (midway == Midway::kMasterRestart) cluster.restartMaster();
    if (midway == Midway::kRestore) cluster.stopAndRestore(define);
    cluster.runBatches(table.batches - half);
    table.check(cluster, "output", where);
  });
}

}  // namespace detail

TablesTogether::TablesTogether(Shape shape, Duration interval) : body_(std::make_unique<Body>(shape, interval)) {
  if (together) throw Error(ErrorKind::kIllegalState, "there are TablesTogether already; one at a time");
  together = this;
  // Some of them keep state.
  body_->cluster.streaming().checkpoint(body_->directory);
}
TablesTogether::~TablesTogether() { together = nullptr; }
TablesTogether* TablesTogether::current() { return together; }
Cluster& TablesTogether::cluster() { return body_->cluster; }
std::size_t TablesTogether::size() const { return body_->tables.size(); }

std::vector<std::string> TablesTogether::run(Midway midway) {
  if (midway != Midway::kNothing && midway != Midway::kExecutorLoss) {
    throw Error(ErrorKind::kInvalidArgument, "tables together run with nothing or with the loss of an executor midway");
  }
  int batches = 0;
  for (const auto& [name, table] : body_->tables) batches = std::max(batches, table.batches);
  int before = std::min(batches, kBeforeTheLoss);
  body_->cluster.runBatches(before);
  if (midway == Midway::kExecutorLoss) body_->cluster.kill(1);
  body_->cluster.runBatches(batches - before);
  std::vector<std::string> wrong;
  std::string where = std::string(nameOf(body_->cluster.shape())) + ", together, " + nameOf(midway);
  for (const auto& [name, table] : body_->tables) {
    try {
      table.check(body_->cluster, name, where);
    } catch (const Error& error) {
      wrong.emplace_back(error.what());
    }
  }
  return wrong;
}

}  // namespace sluice::testing
