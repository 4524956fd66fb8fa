#include "common/grpc/session.h"

#include "common/grpc/frame.h"

namespace sluice {
namespace {

constexpr char kMethod[] = "/sluice.Link/Session";
constexpr std::size_t kBatchBytes = 256u << 10, kBatchEnvelopes = 64;

grpc::ChannelArguments channelArguments() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetMaxSendMessageSize(-1);
  // Each dial is one attempt with a connection of its own; when to try again is decided by the link.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5'000);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetServiceConfigJSON("{}");
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  // A peer that is frozen or cut off, and sends no reset, is given up after this.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  return arguments;
}

std::string lineOf(const grpc::Status& status) {
  if (status.ok()) return "";
  std::string text = status.error_message();
  // "failed to connect to all addresses; last error: UNKNOWN: ipv4:1.2.3.4:5: Failed to connect to remote host:
  // Connection refused"
  if (std::size_t at = text.rfind("remote host: "); at != std::string::npos) text = text.substr(at + 13);
  if (std::size_t at = text.find("last error: "); at != std::string::npos) text = text.substr(at + 12);
  for (char& c : text) {
    if (c == '\n') c = ' ';
  }
  return text.empty() ? "the connection broke" : text;
}

}  // namespace

// The lock also orders what the starting thread wrote before what the polling thread reads, where a checker can see it.
void* Session::Tag::start() {
  MutexLock lock(session.mutex_);
  pin = session.shared_from_this();
  return static_cast<Operation*>(this);
}

void Session::Tag::done(bool ok) {
  SessionPtr alive;
  {
    MutexLock lock(session.mutex_);
    alive = std::move(pin);
  }
  (session.*body)(ok);
}

void Session::dial(const std::string& address, grpc::CompletionQueue* queue) {
  address_ = address;
  clientContext_ = std::make_unique<grpc::ClientContext>();
  grpc::GenericStub stub(grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), channelArguments()));
  client_ = stub.PrepareCall(clientContext_.get(), kMethod, queue);
  client_->StartCall(openTag_.start());
}

void Session::accept(grpc::AsyncGenericService& service, grpc::ServerCompletionQueue* queue) {
  serverContext_ = std::make_unique<grpc::GenericServerContext>();
  server_ = std::make_unique<grpc::GenericServerAsyncReaderWriter>(serverContext_.get());
  service.RequestCall(serverContext_.get(), server_.get(), queue, queue, openTag_.start());
}

void Session::onOpen(bool ok) {
  if (!ok && !client_) {  // the server shuts down; there was no call
    owner_.onEnded(shared_from_this(), "");
    return;
  }
  if (!ok) return breakDown();
  {
    MutexLock lock(mutex_);
    writable_ = true;
  }
  phase = Phase::kGreeting;
  owner_.onOpened(shared_from_this());
  read();
}

void Session::read() {
  reading_ = true;
  void* tag = readTag_.start();
  if (client_) {
    client_->Read(&received_, tag);
  } else {
    server_->Read(&received_, tag);
  }
}

void Session::onRead(bool ok) {
  reading_ = false;
  if (!ok) return breakDown();
  decoded_.clear();
  if (!decodeFrames(received_, decoded_)) {
    cancel();
    return breakDown();
  }
  received_.Clear();
  // What it says comes first: an answer that the owner gives inside leaves before the flow-control update of the next
  // read.
  for (auto& envelope : decoded_) owner_.onEnvelope(shared_from_this(), std::move(envelope));
  read();
}

void Session::send(EnvelopePtr envelope) {
  std::size_t bytes = frameSize(*envelope);
  std::vector<EnvelopePtr> batch;
  {
    MutexLock lock(mutex_);
    if (!writable_ || draining_) return;
    queue_.push_back({std::move(envelope), bytes});
    waiting_ += bytes;
    if (writing_) return;
    take(batch);
  }
  write(batch);
}

void Session::drain() {
  std::vector<EnvelopePtr> batch;
  bool open, end;
  {
    MutexLock lock(mutex_);
    if (draining_) return;
    draining_ = true;
    open = writable_;
    end = open && !writing_ && take(batch);  // a write under way goes on to the end by itself
  }
  if (!open) cancel();
  if (end) write(batch);
}

void Session::cancel() {
  if (client_) {
    clientContext_->TryCancel();
  } else {
    serverContext_->TryCancel();
  }
}

std::size_t Session::waitingBytes() const {
  MutexLock lock(mutex_);
  return waiting_;
}

bool Session::take(std::vector<EnvelopePtr>& batch) {
  underWay_ = 0;
  if (!writable_) return writing_ = false;
  while (!queue_.empty() && underWay_ < kBatchBytes && batch.size() < kBatchEnvelopes) {
    underWay_ += queue_.front().bytes;
    batch.push_back(std::move(queue_.front().envelope));
    queue_.pop_front();
  }
  if (!batch.empty()) return writing_ = true;
  if (!draining_ || endSent_) return writing_ = false;
  endSent_ = true;
  if (client_) {
    writing_ = true;
  } else {
    writing_ = false, finishing_ = true;
  }
  return true;
}

void Session::write(const std::vector<EnvelopePtr>& batch) {
  if (!batch.empty()) {
    grpc::ByteBuffer bytes = encodeFrames(batch);
    void* tag = writeTag_.start();
    if (client_) {
      client_->Write(bytes, tag);
    } else {
      server_->Write(bytes, tag);
    }
  } else if (client_) {
    client_->WritesDone(writeTag_.start());
  } else {
    server_->Finish(grpc::Status::OK, finishTag_.start());
  }
}

void Session::onWritten(bool ok) {
  std::vector<EnvelopePtr> batch;
  bool more;
  {
    MutexLock lock(mutex_);
    waiting_ -= underWay_;
    more = ok && take(batch);
    if (!ok) writing_ = false, underWay_ = 0;
  }
  if (more) return write(batch);
  if (!ok && !broken_) cancel();  // so that the read, too, finds out
  finishWhenIdle();
}

void Session::breakDown() {
  broken_ = true;
  std::deque<Waiting> dropped;
  {
    MutexLock lock(mutex_);
    writable_ = false;
    dropped.swap(queue_);
    waiting_ = underWay_;
  }
  owner_.onBroken(shared_from_this());
  finishWhenIdle();
}

void Session::finishWhenIdle() {
  if (!broken_ || reading_) return;
  {
    MutexLock lock(mutex_);
    if (writing_) return;
    if (finishing_) {
      if (!finished_) return;
    } else {
      finishing_ = true;
    }
  }
  if (finished_) return owner_.onEnded(shared_from_this(), lineOf(status_));
  if (client_) {
    client_->Finish(&status_, finishTag_.start());
  } else {
    server_->Finish(grpc::Status::OK, finishTag_.start());
  }
}

void Session::onFinished(bool) {
  finished_ = true;
  finishWhenIdle();
}

}  // namespace sluice
