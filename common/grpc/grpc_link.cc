#include "common/grpc/grpc_link.h"

#include <grpc/support/log.h>
#include <grpcpp/grpcpp.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <random>
#include <thread>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "common/build_id.h"
#include "common/clock.h"
#include "common/grpc/addresses.h"
#include "common/grpc/credentials.h"
#include "common/grpc/ordering.h"
#include "common/grpc/session.h"
#include "common/timers.h"

namespace sluice {
namespace {

constexpr std::int64_t kFirstRedialMs = 100, kLastRedialMs = 2'000;

// gRPC's own lines are about its sockets and names; what matters of them is told by us. GRPC_VERBOSITY brings them
// back.
void quietGrpc() {
  static const bool once = [] {
    if (!std::getenv("GRPC_VERBOSITY")) gpr_set_log_function([](gpr_log_func_args*) {});
    return true;
  }();
  (void)once;
}

std::uint64_t randomNumber() {
  std::random_device device;
  return ((std::uint64_t(device()) << 32) | device()) >> 1;
}

bool roleOf(const std::string& name, Role& role) {
  for (Role r : {Role::kMaster, Role::kWorker, Role::kExecutor, Role::kDriver, Role::kClient}) {
    if (name == roleName(r)) return role = r, true;
  }
  return false;
}

std::string nameOf(Peer peer) { return peer.role == Role::kMaster ? "the master" : peer.toString(); }

}  // namespace

class GrpcLink::Core final : public SessionOwner, public std::enable_shared_from_this<Core> {
 public:
  Core(GrpcLinkOptions options, Strand& strand, LinkHandler& handler)
      : options_(std::move(options)),
        build_(options_.build.empty() ? buildId() : options_.build),
        strand_(strand),
        handler_(handler) {
    cluster_ = options_.cluster;
  }

  absl::Status start(const std::vector<std::string>& listen);
  std::string address() const { return address_; }
  bool poll();
  void send(Peer to, EnvelopePtr envelope) EXCLUDES(mutex_);
  void connect(Peer to, const std::string& address) EXCLUDES(mutex_);
  void disconnect(Peer from) EXCLUDES(mutex_);
  void close() EXCLUDES(mutex_);
  std::size_t waitingBytes(Peer to) const EXCLUDES(mutex_);
  std::string cluster() const EXCLUDES(mutex_);

 private:
  struct Dial {
    std::string address;
    SessionPtr session;  // under way or up; null: waiting for the next try
    int attempts = 0;    // since it was last up
  };

  void onOpened(const SessionPtr& session) override EXCLUDES(mutex_);
  void onEnvelope(const SessionPtr& session, EnvelopePtr envelope) override EXCLUDES(mutex_);
  void onBroken(const SessionPtr& session) override EXCLUDES(mutex_);
  void onEnded(const SessionPtr& session, const std::string& why) override EXCLUDES(mutex_);

  absl::Status buildServer(const std::vector<std::string>& listen);
  void acceptNext() EXCLUDES(mutex_);
  void startDial(Peer to, Dial& dial) REQUIRES(mutex_);
  void redial(TimerName timer) EXCLUDES(mutex_);
  int settle(const SessionPtr& session) EXCLUDES(mutex_);
  Timers& timers() REQUIRES(mutex_);

  EnvelopePtr hello() EXCLUDES(mutex_);
  void greet(const SessionPtr& session, const Envelope& envelope) EXCLUDES(mutex_);
  // Why this Hello cannot be accepted; empty: it can.
  std::string complaint(const proto::Message& message, Peer from) EXCLUDES(mutex_);
  void refuse(const SessionPtr& session, const std::string& why);
  void becomeUp(const SessionPtr& session) EXCLUDES(mutex_);
  void tellDown(const SessionPtr& session);
  void deliver(const SessionPtr& session, EnvelopePtr envelope);

  const GrpcLinkOptions options_;
  const std::string build_;
  Strand& strand_;
  LinkHandler& handler_;

  // Set by start() alone.
  grpc::AsyncGenericService service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<grpc::CompletionQueue> queue_;
  grpc::ServerCompletionQueue* serverQueue_ = nullptr;  // queue_, if there is a server
  std::string address_;
  std::thread poller_;

  std::atomic<bool> silenced_{false};  // the owner is told no more

  mutable Mutex mutex_;
  CondVar ended_;
  bool closing_ GUARDED_BY(mutex_) = false;
  std::string cluster_ GUARDED_BY(mutex_);
  absl::flat_hash_map<Peer, Dial> dials_ GUARDED_BY(mutex_);
  absl::flat_hash_map<Peer, SessionPtr> current_ GUARDED_BY(mutex_);  // up, as the polling thread knows
  absl::flat_hash_map<Peer, SessionPtr> routes_ GUARDED_BY(mutex_);   // up, as the owner was told
  absl::flat_hash_set<SessionPtr> all_ GUARDED_BY(mutex_);            // that have operations under way
  SessionPtr accepting_ GUARDED_BY(mutex_);
  Strand dialStrand_;
  std::unique_ptr<Timers> timers_ GUARDED_BY(mutex_);  // made when the first dial fails
};

absl::Status GrpcLink::Core::buildServer(const std::vector<std::string>& listen) {
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(-1);
  builder.SetMaxSendMessageSize(-1);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  builder.RegisterAsyncGenericService(&service_);
  std::vector<int> ports(listen.size(), 0);
  auto credentials = serverCredentials(options_.secret);
  for (std::size_t i = 0; i < listen.size(); ++i)
    builder.AddListeningPort(listen[i], credentials, &ports[i]);
  auto queue = builder.AddCompletionQueue();
  serverQueue_ = queue.get();
  queue_ = std::move(queue);
  server_ = builder.BuildAndStart();
  for (std::size_t i = 0; i < listen.size(); ++i) {
    if (ports[i] != 0) continue;
    if (server_) server_->Shutdown();
    queue_->Shutdown();
    void* tag;
    for (bool ok; queue_->Next(&tag, &ok);) {
    }
    server_.reset(), queue_.reset();
    return absl::UnavailableError(explainListenFailure(listen[i]));
  }
  for (std::size_t i = 0; i < listen.size(); ++i) {
    std::string actual =
        isUnixAddress(listen[i]) ? listen[i] : listen[i].substr(0, listen[i].rfind(':') + 1) + std::to_string(ports[i]);
    address_ += (address_.empty() ? "" : ",") + actual;
  }
  return absl::OkStatus();
}

absl::Status GrpcLink::Core::start(const std::vector<std::string>& listen) {
  quietGrpc();
  if (listen.empty()) {
    queue_ = std::make_unique<grpc::CompletionQueue>();
  } else if (auto status = buildServer(listen); !status.ok()) {
    return status;
  }
  if (options_.ownThread) {
    poller_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "link");
      while (poll()) {
      }
    });
  }
  if (server_) acceptNext();
  return absl::OkStatus();
}

bool GrpcLink::Core::poll() {
  void* tag;
  bool ok;
  if (!queue_->Next(&tag, &ok)) return false;
  takenFromGrpc(tag);
  static_cast<Operation*>(tag)->done(ok);
  return true;
}

void GrpcLink::Core::acceptNext() {
  SessionPtr session;
  {
    MutexLock lock(mutex_);
    accepting_ = nullptr;
    if (closing_) return;
    session = accepting_ = std::make_shared<Session>(*this, Stream::toAccept(service_, *serverQueue_));
  }
  session->open();
}

void GrpcLink::Core::connect(Peer to, const std::string& address) {
  MutexLock lock(mutex_);
  if (closing_) return;
  Dial& dial = dials_[to];
  dial.address = address;
  if (!dial.session && !current_.contains(to)) startDial(to, dial);
}

void GrpcLink::Core::startDial(Peer to, Dial& dial) {
  ++dial.attempts;
  std::string address = chooseAddress(dial.address);
  dial.session = std::make_shared<Session>(*this, Stream::toDial(address, options_.secret, *queue_), address);
  dial.session->peer = to;
  all_.insert(dial.session);
  dial.session->open();
}

Timers& GrpcLink::Core::timers() {
  if (!timers_) {
    timers_ = std::make_unique<Timers>(dialStrand_, [this](TimerName timer) { redial(timer); });
  }
  return *timers_;
}

void GrpcLink::Core::redial(TimerName timer) {
  Peer to{Role(timer.kind), timer.a};
  MutexLock lock(mutex_);
  auto it = dials_.find(to);
  if (closing_ || it == dials_.end() || it->second.session || current_.contains(to)) return;
  startDial(to, it->second);
}

void GrpcLink::Core::disconnect(Peer from) {
  SessionPtr session, dialling;
  {
    MutexLock lock(mutex_);
    if (auto it = dials_.find(from); it != dials_.end()) {
      dialling = it->second.session;
      dials_.erase(it);
    }
    if (auto it = current_.find(from); it != current_.end()) session = it->second;
  }
  if (session) session->drain();
  if (dialling && dialling != session) dialling->drain();
}

void GrpcLink::Core::send(Peer to, EnvelopePtr envelope) {
  SessionPtr session;
  {
    MutexLock lock(mutex_);
    auto it = routes_.find(to);
    if (it == routes_.end()) return;
    session = it->second;
  }
  session->send(std::move(envelope));
}

std::size_t GrpcLink::Core::waitingBytes(Peer to) const {
  MutexLock lock(mutex_);
  auto it = routes_.find(to);
  return it == routes_.end() ? 0 : it->second->waitingBytes();
}

std::string GrpcLink::Core::cluster() const {
  MutexLock lock(mutex_);
  return cluster_;
}

EnvelopePtr GrpcLink::Core::hello() {
  auto [envelope, body] = compose(&proto::Message::mutable_hello);
  envelope->message.set_cluster(cluster());
  body->set_role(roleName(options_.self.role));
  body->set_id(options_.self.id);
  body->set_app(options_.app);
  body->set_build(build_);
  return envelope;
}

void GrpcLink::Core::onOpened(const SessionPtr& session) {
  if (session->dialled()) return session->send(hello());
  {
    MutexLock lock(mutex_);
    all_.insert(session);
    if (closing_) session->cancel();
  }
  acceptNext();
}

std::string GrpcLink::Core::complaint(const proto::Message& message, Peer from) {
  const auto& hello = message.hello();
  MutexLock lock(mutex_);
  if (hello.build() != build_)
    return nameOf(from) + " and " + nameOf(options_.self) + " are of different builds of Sluice";
  if (!cluster_.empty() && !message.cluster().empty() && message.cluster() != cluster_) {
    return nameOf(from) + " belongs to another cluster (" + message.cluster() + ") than " + nameOf(options_.self) +
           " (" + cluster_ + ")";
  }
  if (options_.app != 0 && hello.app() != 0 && hello.app() != options_.app) {
    return nameOf(from) + " belongs to another application than " + nameOf(options_.self);
  }
  return "";
}

void GrpcLink::Core::refuse(const SessionPtr& session, const std::string& why) {
  auto [envelope, body] = compose(&proto::Message::mutable_refused);
  body->set_why(why);
  session->send(std::move(envelope));
  session->drain();
}

void GrpcLink::Core::greet(const SessionPtr& session, const Envelope& envelope) {
  const auto& message = envelope.message;
  Peer from{Role::kMaster, message.hello().id()};
  if (!message.has_hello() || !roleOf(message.hello().role(), from.role)) return session->cancel();  // not one of ours
  std::string why = complaint(message, from);
  if (session->dialled()) {
    if (why.empty() && from != session->peer) {  // somebody else has that address now: try again, it may come back
      session->failure = "there is " + nameOf(from) + " at " + session->address();
      return session->drain();
    }
    if (!why.empty()) {
      session->failure = why;
      session->refused = true;
      auto [told, body] = compose(&proto::Message::mutable_refused);
      body->set_why(why);
      deliver(session, std::move(told));
      return session->drain();
    }
    if (from.role == Role::kMaster && !message.cluster().empty()) {
      MutexLock lock(mutex_);
      if (cluster_.empty()) cluster_ = message.cluster();
    }
    return becomeUp(session);
  }
  if (!why.empty()) return refuse(session, why);
  if (from.role != Role::kMaster && from.id == 0) from.id = randomNumber();
  session->peer = from;
  SessionPtr older;
  {
    MutexLock lock(mutex_);
    if (auto it = current_.find(from); it != current_.end()) older = it->second;
  }
  if (older) {
    older->phase = Session::Phase::kOver;
    tellDown(older);
    refuse(older, "another connection took over as " + nameOf(from));
  }
  session->send(hello());
  becomeUp(session);
}

void GrpcLink::Core::becomeUp(const SessionPtr& session) {
  session->phase = Session::Phase::kUp;
  session->greeted = true;
  Peer peer = session->peer;
  {
    MutexLock lock(mutex_);
    current_[peer] = session;
    if (auto it = dials_.find(peer); it != dials_.end()) it->second.attempts = 0;
  }
  strand_.post([core = shared_from_this(), session] {
    if (core->silenced_.load(std::memory_order_acquire)) return;
    {
      MutexLock lock(core->mutex_);
      core->routes_[session->peer] = session;
    }
    core->handler_.onSession(session->peer, true);
  });
}

void GrpcLink::Core::tellDown(const SessionPtr& session) {
  strand_.post([core = shared_from_this(), session] {
    if (core->silenced_.load(std::memory_order_acquire)) return;
    {
      MutexLock lock(core->mutex_);
      auto it = core->routes_.find(session->peer);
      if (it != core->routes_.end() && it->second == session) core->routes_.erase(it);
    }
    core->handler_.onSession(session->peer, false);
  });
}

void GrpcLink::Core::deliver(const SessionPtr& session, EnvelopePtr envelope) {
  strand_.post([core = shared_from_this(), session, envelope = std::move(envelope)]() mutable {
    if (core->silenced_.load(std::memory_order_acquire)) return;
    core->handler_.onMessage(session->peer, std::move(envelope));
  });
}

void GrpcLink::Core::onEnvelope(const SessionPtr& session, EnvelopePtr envelope) {
  bool refused = envelope->message.has_refused();
  if (session->phase == Session::Phase::kUp) {
    session->refused = refused;  // if this is the last that comes
    deliver(session, std::move(envelope));
  } else if (session->phase == Session::Phase::kGreeting && session->dialled() && refused) {
    session->refused = true;
    session->failure = envelope->message.refused().why();
    deliver(session, std::move(envelope));
  } else if (session->phase == Session::Phase::kGreeting) {
    greet(session, *envelope);
  }
}

void GrpcLink::Core::onBroken(const SessionPtr& session) {
  bool wasUp = session->phase == Session::Phase::kUp;
  session->phase = Session::Phase::kOver;
  {
    MutexLock lock(mutex_);
    auto it = current_.find(session->peer);
    if (it != current_.end() && it->second == session) current_.erase(it);
  }
  if (wasUp) tellDown(session);
}

void GrpcLink::Core::onEnded(const SessionPtr& session, const std::string& why) {
  int failed = settle(session);
  if (failed == 0 || !options_.onDialFailure) return;
  std::string reason = !session->failure.empty() ? session->failure : why.empty() ? "it closed the connection" : why;
  std::string line = "cannot reach " + nameOf(session->peer) + " at " + session->address() + ": " + reason;
  strand_.post([core = shared_from_this(), peer = session->peer, line, failed] {
    if (!core->silenced_.load(std::memory_order_acquire)) core->options_.onDialFailure(peer, line, failed);
  });
}

// Forgets the session and dials again where that is due. How often in a row the dial has failed; 0: it did not.
int GrpcLink::Core::settle(const SessionPtr& session) {
  MutexLock lock(mutex_);
  all_.erase(session);
  if (accepting_ == session) accepting_ = nullptr;
  ended_.notifyAll();
  if (closing_ || (!session->dialled() && !session->greeted)) return 0;
  Peer peer = session->peer;
  auto it = dials_.find(peer);
  if (it == dials_.end()) return 0;
  Dial& dial = it->second;
  int failed = 0;
  if (dial.session == session) {
    if (session->refused) {
      dials_.erase(it);
      return 0;
    }
    dial.session = nullptr;
    failed = dial.attempts;
  }
  if (dial.session || current_.contains(peer)) return failed;
  std::int64_t wait = std::min(kFirstRedialMs << std::clamp(dial.attempts - 1, 0, 10), kLastRedialMs);
  timers().arm({std::uint32_t(peer.role), peer.id, 0}, SystemClock::read() + Milliseconds(wait));
  return failed;
}

void GrpcLink::Core::close() {
  silenced_.store(true, std::memory_order_release);
  std::vector<SessionPtr> sessions;
  std::unique_ptr<Timers> timers;
  {
    MutexLock lock(mutex_);
    if (closing_ || !queue_) return;
    closing_ = true;
    dials_.clear();
    timers = std::move(timers_);
    sessions.assign(all_.begin(), all_.end());
  }
  timers.reset();
  for (auto& session : sessions) session->drain();
  {
    Moment until = SystemClock::read() + Milliseconds(options_.drainMs);
    MutexLock lock(mutex_);
    while (!all_.empty() && ended_.waitUntil(mutex_, until)) {
    }
    sessions.assign(all_.begin(), all_.end());
  }
  for (auto& session : sessions) session->cancel();
  sessions.clear();
  if (server_) server_->Shutdown(std::chrono::system_clock::now());
  {
    MutexLock lock(mutex_);
    while (!all_.empty() || accepting_) ended_.wait(mutex_);
  }
  queue_->Shutdown();
  if (poller_.joinable()) poller_.join();
  MutexLock lock(mutex_);
  current_.clear(), routes_.clear();
}

GrpcLink::GrpcLink(GrpcLinkOptions options, Strand& strand, LinkHandler& handler)
    : core_(std::make_shared<Core>(std::move(options), strand, handler)) {}
GrpcLink::~GrpcLink() { close(); }
absl::Status GrpcLink::start(const std::vector<std::string>& listen) { return core_->start(listen); }
std::string GrpcLink::address() const { return core_->address(); }
bool GrpcLink::poll() { return core_->poll(); }
void GrpcLink::send(Peer to, EnvelopePtr envelope) { core_->send(to, std::move(envelope)); }
void GrpcLink::connect(Peer to, const std::string& address) { core_->connect(to, address); }
void GrpcLink::disconnect(Peer from) { core_->disconnect(from); }
void GrpcLink::close() { core_->close(); }
std::size_t GrpcLink::waitingBytes(Peer to) const { return core_->waitingBytes(to); }
std::string GrpcLink::cluster() const { return core_->cluster(); }

std::uint16_t freePort(const std::string& host) { return findFreePort(host); }

std::string neighbourSocketAddress(const std::string& networkAddress) {
  std::string address;
  return neighbourAddress(networkAddress, &address).ok() ? address : "";
}

absl::Status unixSocketAddress(const std::string& name, std::string* address) { return unixAddress(name, address); }

}  // namespace sluice
