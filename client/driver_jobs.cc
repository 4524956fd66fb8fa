// The driver's end of the protocol: jobs, and their results.
#include <algorithm>
#include <utility>

#include "client/driver.h"

namespace sluice {
namespace {

constexpr int kTriesForResults = 3;

ErrorKind kindOf(proto::Domain domain) {
  switch (domain) {
    case proto::DOMAIN_USER: return ErrorKind::kUserCode;
    case proto::DOMAIN_LOST: return ErrorKind::kLost;
    case proto::DOMAIN_CANCELLED: return ErrorKind::kCancelled;
    default: return ErrorKind::kUnavailable;
  }
}

std::string withSite(const std::string& message, const std::string& site) {
  if (site.empty() || message.find(site) != std::string::npos) return message;
  return site + ": " + message;
}

// As the master says it.
std::string cancelledText(std::uint64_t number, const std::string& by) { return "job " + std::to_string(number) + " was cancelled by " + by; }

}  // namespace

EnvelopePtr Driver::runJobMessage(std::uint64_t number, const Job& job, bool withPlan) {
  auto [envelope, run] = compose(&proto::Message::mutable_run_job);
  run->set_app(app_), run->set_number(number), run->set_stream(job.stream);
  run->set_template_hash(job.plan.plan->template_hash());
  if (withPlan) *run->mutable_plan() = *job.plan.plan, sentTemplates_.insert(job.plan.plan->template_hash());
  *run->mutable_captures() = job.plan.captures;
  for (auto partition : job.partitions) run->add_partitions(partition);
  run->set_description(job.description);
  addProperties(job.properties, *run->mutable_properties());
  return envelope;
}

EnvelopePtr Driver::cancelMessage(std::uint64_t number, const std::string& by) const {
  auto [envelope, cancel] = compose(&proto::Message::mutable_cancel_job);
  cancel->set_app(app_), cancel->set_number(number), cancel->set_by(by);
  return envelope;
}

void Driver::cancelJobs(const std::function<bool(std::uint64_t, const Job&)>& which, const std::string& by) {
  Outgoing out;
  {
    std::lock_guard lock(mutex_);
    for (auto& [number, job] : jobs_) {
      if (job->done || !job->cancelledBy.empty() || !which(number, *job->job)) continue;
      job->cancelledBy = by;
      if (session_) out.messages.emplace_back(kMasterPeer, cancelMessage(number, by));  // else with the next one
    }
  }
  send(out);
}

Driver::Results Driver::runJob(const Job& job) {
  for (int tries = 1;; ++tries) {
    bool again = false;
    Results results = runOnce(job, again);
    if (!again) return results;
    if (tries == kTriesForResults) {
      throwError(ErrorKind::kLost, job.description + ": its results were lost with their executors " + std::to_string(tries) + " times");
    }
  }
}

Driver::Results Driver::runOnce(const Job& job, bool& again) {
  Call call(*this);
  PendingJob pending;
  pending.job = &job;
  std::unique_lock lock(mutex_);
  checkAlive();
  std::uint64_t number = ++lastJob_;
  if (std::string by = job.observer ? job.observer->began(number) : ""; !by.empty()) throwError(ErrorKind::kCancelled, job.description + ": " + cancelledText(number, by));
  jobs_[number] = &pending;
  EnvelopePtr message;
  if (session_) message = runJobMessage(number, job, !sentTemplates_.contains(job.plan.plan->template_hash()));
  lock.unlock();
  if (message) backend_->link().send(kMasterPeer, std::move(message));
  lock.lock();
  try {
    wait(lock, [&] { return pending.done || !failed_.empty() || closing_; });
  } catch (...) {  // a simulation that does not end: nobody may find what goes with this frame
    if (!lock.owns_lock()) lock.lock();
    jobs_.erase(number);
    throw;
  }
  jobs_.erase(number);
  std::erase_if(fetches_, [&](const auto& entry) { return entry.second.number == number; });
  if (pending.held && session_) {
    auto over = cancelMessage(number, "");
    lock.unlock();
    backend_->link().send(kMasterPeer, std::move(over));
    lock.lock();
  }
  if (closing_ && (pending.failed || !pending.done) && failed_.empty()) {
    throwError(ErrorKind::kCancelled, job.description + ": " + cancelledText(number, kByItsEnd));
  }
  if (!pending.done) checkAlive();
  if (pending.failed) throw pending.error;
  again = pending.again;
  return std::move(pending.results);
}

void Driver::onJobDone(const EnvelopePtr& envelope, Outgoing& out) {
  const auto& answer = envelope->message.job_done();
  auto it = jobs_.find(answer.number());
  if (it == jobs_.end() || it->second->done || it->second->missing > 0) return;
  PendingJob& job = *it->second;
  std::uint64_t bytes = 0;
  for (const auto& result : answer.results()) {
    bytes += result.attachment() >= 0 && result.rows() > 0 ? envelope->attachments.at(std::size_t(result.attachment())).size() : result.bytes();
  }
  if (maxResultBytes_ != 0 && bytes > maxResultBytes_) {
    job.done = job.failed = true;
    job.error = Error(ErrorKind::kInvalidArgument, job.job->description + ": the results are " + std::to_string(bytes) +
                                                       " bytes, more than sluice.driver.maxResultSize (" + std::to_string(maxResultBytes_) +
                                                       "); take fewer, save them to files, or raise it");
    return;
  }
  lastJobMicroseconds_ = answer.processing_us();
  job.results.partitions = answer.partitions();
  job.results.updates.assign(answer.updates().begin(), answer.updates().end());
  for (const auto& result : answer.results()) {
    Part& part = job.results.parts.emplace_back();
    part.partition = result.partition(), part.rows = result.rows();
    if (result.rows() == 0) continue;
    if (result.attachment() >= 0) {
      part.bytes = envelope->attachments[std::size_t(result.attachment())];
      continue;
    }
    ++job.missing;
    job.held = true;
    Fetch fetch;
    fetch.number = answer.number(), fetch.request = ++lastRequest_, fetch.executor = result.executor();
    fetch.part = job.results.parts.size() - 1, fetch.result = result;
    fetches_[fetch.request] = std::move(fetch);
  }
  job.done = job.missing == 0;
  if (!job.done) sendFetches(out);
}

void Driver::onJobFailed(const proto::JobFailed& failed, Outgoing& out) {
  auto it = jobs_.find(failed.number());
  if (it == jobs_.end() || it->second->done) return;
  if (failed.retry()) {
    out.messages.emplace_back(kMasterPeer, runJobMessage(failed.number(), *it->second->job, true));
    return;
  }
  it->second->done = it->second->failed = true;
  std::string text = withSite(failed.message(), failed.site());
  if (failed.domain() == proto::DOMAIN_CANCELLED) text = it->second->job->description + ": " + text;
  it->second->error = Error(kindOf(failed.domain()), text);
}

void Driver::sendFetches(Outgoing& out) {
  for (auto& [request, fetch] : fetches_) {
    if (fetch.sent) continue;
    Peer holder{Role::kExecutor, fetch.executor};
    if (executorSessions_.contains(fetch.executor)) {
      auto [envelope, get] = compose(&proto::Message::mutable_get);
      get->set_app(app_), get->set_request(request);
      *get->mutable_result() = fetch.result;
      get->mutable_instance()->set_app(app_), get->mutable_instance()->set_when_ms(-std::int64_t(fetch.number));
      out.messages.emplace_back(holder, std::move(envelope));
      fetch.sent = true;
    } else if (auto member = members_.find(fetch.executor); member != members_.end() && dialled_.insert(fetch.executor).second) {
      out.dials.emplace_back(holder, member->second.address());
    }
  }
}

void Driver::failFetches(std::uint64_t executor) {
  for (auto it = fetches_.begin(); it != fetches_.end();) {
    if (it->second.executor != executor) {
      ++it;
      continue;
    }
    if (auto job = jobs_.find(it->second.number); job != jobs_.end()) job->second->done = job->second->again = true;
    it = fetches_.erase(it);
  }
}

void Driver::onGot(const EnvelopePtr& envelope) {
  const auto& got = envelope->message.got();
  auto it = fetches_.find(got.request());
  if (it == fetches_.end()) return;
  Fetch& fetch = it->second;
  auto found = jobs_.find(fetch.number);
  if (found == jobs_.end()) {
    fetches_.erase(it);
    return;
  }
  PendingJob& job = *found->second;
  if (!got.present()) {
    job.done = job.again = true;
    fetches_.erase(it);
    return;
  }
  for (const auto& piece : envelope->attachments) fetch.pieces.push_back(piece);
  if (got.more()) return;
  Part& part = job.results.parts[fetch.part];
  if (fetch.pieces.size() == 1) {
    part.bytes = std::move(fetch.pieces[0]);
  } else {
    std::string whole;
    for (const auto& piece : fetch.pieces) whole.append(piece.view());
    part.bytes = Bytes::of(std::move(whole));
  }
  fetches_.erase(it);
  if (--job.missing == 0) job.done = true;
}

void Driver::unpersist(std::uint32_t node) {
  auto [envelope, unpersist] = compose(&proto::Message::mutable_unpersist);
  {
    std::lock_guard lock(mutex_);
    if (!session_ || closing_) return;
    unpersist->set_app(app_), unpersist->add_nodes(node);
  }
  backend_->link().send(kMasterPeer, std::move(envelope));
}

}  // namespace sluice
