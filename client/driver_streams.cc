// The driver's end of the protocol: streams, and the functions that run here for them.
#include <algorithm>
#include <utility>

#include "client/driver.h"
#include "client/log.h"
#include "common/thrown.h"

namespace sluice {
namespace {

constexpr std::size_t kOutputsRemembered = 1000;

std::string messageOf(std::exception_ptr thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& e) {
    return wordsOf(e);
  } catch (...) {
    return "something that is no std::exception was thrown";
  }
}

}  // namespace

EnvelopePtr Driver::startStreamMessage(std::uint32_t stream, const Stream& s) {
  auto [envelope, start] = compose(&proto::Message::mutable_start_stream);
  start->set_app(app_), start->set_stream(stream);
  *start->mutable_plan() = *s.plan.plan;
  *start->mutable_captures() = s.plan.captures;
  addProperties(s.properties, *start->mutable_properties());
  start->set_events(s.events);
  return envelope;
}

proto::StreamStarted Driver::startStream(std::uint32_t stream, BuiltPlan plan, LocalProperties::Ref properties, bool events,
                                         std::shared_ptr<StreamEnd> end) {
  Call call(*this);
  std::unique_lock lock(mutex_);
  checkAlive();
  Stream& s = streams_[stream];
  s.plan = std::move(plan), s.properties = std::move(properties), s.events = events, s.end = std::move(end);
  if (console_) s.begunMs = steadyMs();
  EnvelopePtr message = session_ ? startStreamMessage(stream, s) : nullptr;
  lock.unlock();
  if (message) backend_->link().send(kMasterPeer, std::move(message));
  lock.lock();
  wait(lock, Lent::toNone(), [&] { return s.started || !failed_.empty() || closing_; });
  if (!s.started) checkAlive();
  if (!s.answer.error().empty()) {
    std::string error = s.answer.error();
    streams_.erase(stream);
    throwError(ErrorKind::kIllegalState, error);
  }
  return s.answer;
}

void Driver::watchStream(std::uint32_t id, bool on) {
  auto [envelope, watch] = compose(&proto::Message::mutable_watch_stream);
  {
    std::lock_guard lock(mutex_);
    auto it = streams_.find(id);
    if (it == streams_.end() || std::exchange(it->second.events, on) == on || !session_ || closing_) return;
    watch->set_app(app_), watch->set_stream(id), watch->set_on(on);
  }
  backend_->link().send(kMasterPeer, std::move(envelope));
}

void Driver::onPlanFor(const proto::PlanFor& ask, Outgoing& out) {
  auto it = streams_.find(ask.stream());
  if (it == streams_.end()) return;
  Stream& stream = it->second;
  if (auto known = stream.planned.find(ask.when_ms()); known != stream.planned.end()) {
    out.messages.emplace_back(kMasterPeer, known->second);
    return;
  }
  if (ask.when_ms() <= stream.lastAsked) return;  // being planned
  stream.lastAsked = ask.when_ms();
  later(planner_, [this, id = ask.stream(), when = ask.when_ms(), end = stream.end] {
    auto [envelope, planned] = compose(&proto::Message::mutable_planned);
    planned->set_app(app_), planned->set_stream(id), planned->set_when_ms(when);
    try {
      BuiltPlan built = end->planFor(when);
      *planned->mutable_plan() = *built.plan;
      *planned->mutable_captures() = std::move(built.captures);
    } catch (...) {
      planned->set_error(messageOf(std::current_exception()));
    }
    {
      std::lock_guard lock(mutex_);
      if (auto s = streams_.find(id); s != streams_.end()) {
        s->second.planned[when] = envelope;
        addBatchError(s->second, when, planned->error());
      }
      changed_.notify_all();
    }
    tellGone();  // what earlier batches were made of
    backend_->link().send(kMasterPeer, envelope);
  });
}

void Driver::onRunOutput(const proto::RunOutput& ask, Outgoing& out) {
  auto it = streams_.find(ask.stream());
  if (it == streams_.end()) return;
  Stream& stream = it->second;
  auto [known, isNew] = stream.outputs.try_emplace({ask.when_ms(), ask.output()});
  auto doneMessage = [this, id = ask.stream(), when = ask.when_ms(), index = ask.output()](const std::string& error) {
    auto [envelope, done] = compose(&proto::Message::mutable_output_done);
    done->set_app(app_), done->set_stream(id), done->set_when_ms(when), done->set_output(index), done->set_error(error);
    return envelope;
  };
  if (!isNew) {
    if (known->second.done) out.messages.emplace_back(kMasterPeer, doneMessage(known->second.error));
    return;
  }
  if (stream.outputs.size() > kOutputsRemembered && stream.outputs.begin()->second.done) stream.outputs.erase(stream.outputs.begin());
  later(outputs_, [this, ask, doneMessage, end = stream.end] {
    std::string error;
    try {
      end->runOutput(ask.when_ms(), ask.output(), ask.rerun());
    } catch (...) {
      error = messageOf(std::current_exception());
      if (error.empty()) error = "the function threw an exception without a message";
    }
    {
      std::lock_guard lock(mutex_);
      if (auto s = streams_.find(ask.stream()); s != streams_.end()) {
        s->second.outputs[{ask.when_ms(), ask.output()}] = {true, error};
        addBatchError(s->second, ask.when_ms(), error);
      }
      changed_.notify_all();
    }
    tellGone();
    backend_->link().send(kMasterPeer, doneMessage(error));
  });
}

void Driver::addBatchError(Stream& stream, std::int64_t whenMs, const std::string& error) {
  if (error.empty() || stream.lastFailedMs == whenMs) return;
  stream.lastFailedMs = whenMs;
  stream.batchErrors.push_back(error);
}

void Driver::onBatchDone(const EnvelopePtr& envelope, Outgoing& out) {
  const auto& batch = envelope->message.batch_done();
  auto it = streams_.find(batch.stream());
  if (it == streams_.end()) return;
  Stream& stream = it->second;
  stream.planned.erase(stream.planned.begin(), stream.planned.upper_bound(batch.when_ms()));
  addBatchError(stream, batch.when_ms(), batch.error());
  bus_.batchDone(batch.when_ms(), batch.error());
  out.calls.push_back([envelope, end = stream.end] { end->batchDone(envelope->message.batch_done()); });
}

bool Driver::awaitStream(std::uint32_t id, std::int64_t atMostMs) {
  Call call(*this);
  std::unique_lock lock(mutex_);
  auto it = streams_.find(id);
  if (it == streams_.end()) return true;
  Stream& stream = it->second;
  auto ready = [&] { return stream.stopped || !stream.batchErrors.empty() || !failed_.empty() || closing_; };
  if (atMostMs < 0) wait(lock, Lent::toBatches(), ready);
  else if (!waitAtMost(lock, atMostMs, ready)) return false;
  if (!stream.batchErrors.empty()) {
    std::string error = std::move(stream.batchErrors.front());
    stream.batchErrors.pop_front();
    throwError(ErrorKind::kUserCode, error);
  }
  if (stream.stopped) {
    if (!stream.error.empty()) throwError(ErrorKind::kUserCode, stream.error);
    return true;
  }
  if (!failed_.empty()) throwError(failedKind_, failed_);
  return true;
}

void Driver::stopStream(std::uint32_t id, bool gracefully, std::int64_t atMostMs) {
  auto drainMessage = [&](bool now) {
    auto [envelope, drain] = compose(&proto::Message::mutable_drain);
    drain->set_app(app_), drain->set_stream(id), drain->set_now(now);
    return envelope;
  };
  Call call(*this);
  std::unique_lock lock(mutex_);
  auto it = streams_.find(id);
  if (it == streams_.end() || it->second.stopped || closing_ || !failed_.empty()) return;
  Stream& stream = it->second;
  stream.draining = true, stream.drainNow = !gracefully;
  auto over = [&] { return stream.stopped || !failed_.empty() || closing_; };
  lock.unlock();
  backend_->link().send(kMasterPeer, drainMessage(!gracefully));
  lock.lock();
  if (inFunction()) return;  // it would wait for itself
  if (gracefully && !inline_) {
    if (waitAtMost(lock, atMostMs, over)) return;
    stream.drainNow = true;
    logLine(LogLevel::kWarn, "the graceful stop did not end within " + std::to_string(atMostMs) +
                                 " ms; the stream stops with the batches that are decided (sluice.streaming.gracefulStopTimeout)");
    lock.unlock();
    backend_->link().send(kMasterPeer, drainMessage(true));
    lock.lock();
  }
  wait(lock, Lent::toBatches(), over);
}

}  // namespace sluice
