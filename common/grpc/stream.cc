#include "common/grpc/stream.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include "common/grpc/credentials.h"
#include "common/grpc/frame.h"

// Compiled without ThreadSanitizer's instrumentation (see CMakeLists.txt): gRPC's inline code in here is half of what
// the packaged, uninstrumented half calls.
namespace sluice {
namespace {

constexpr char kMethod[] = "/sluice.Link/Session";

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
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  return arguments;
}

std::shared_ptr<grpc::Channel> channelTo(const std::string& address, const LinkSecretPtr& secret) {
  grpc::ChannelArguments arguments = channelArguments();
  auto credentials = channelCredentials(secret, arguments);
  return grpc::CreateCustomChannel(address, credentials, arguments);
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
  // What a link says that knows a secret to one that knows none, or another one.
  if (text.find("certificate verify failed") != std::string::npos) return "it has another secret (sluice.authenticate.secret.file)";
  if (text.find("wrong version number") != std::string::npos) return "it speaks without a secret, and we have one (sluice.authenticate)";
  if (text.find("Socket closed") != std::string::npos) return "it closed the connection; if it asks for a secret, name the file (sluice.authenticate.secret.file)";
  return text.empty() ? "the connection broke" : text;
}

class DialledStream final : public Stream {
 public:
  DialledStream(const std::string& address, const LinkSecretPtr& secret, grpc::CompletionQueue& queue)
      : stream_(grpc::GenericStub(channelTo(address, secret)).PrepareCall(&context_, kMethod, &queue)) {}
  void open(void* tag) override { stream_->StartCall(tag); }
  bool dialled() const override { return true; }
  void read(void* tag) override { stream_->Read(&received_, tag); }
  bool received(std::vector<EnvelopePtr>& envelopes) override {
    bool whole = decodeFrames(received_, envelopes);
    received_.Clear();
    return whole;
  }
  void write(const std::vector<EnvelopePtr>& envelopes, void* tag) override {
    stream_->Write(encodeFrames(envelopes), tag);
  }
  void endWrites(void* tag) override { stream_->WritesDone(tag); }
  void finish(void* tag) override { stream_->Finish(&status_, tag); }
  void cancel() override { context_.TryCancel(); }
  std::string failure() const override { return lineOf(status_); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
  grpc::ByteBuffer received_;
  grpc::Status status_;
};

class AcceptedStream final : public Stream {
 public:
  AcceptedStream(grpc::AsyncGenericService& service, grpc::ServerCompletionQueue& queue)
      : service_(service), queue_(queue) {}
  void open(void* tag) override { service_.RequestCall(&context_, &stream_, &queue_, &queue_, tag); }
  bool dialled() const override { return false; }
  void read(void* tag) override { stream_.Read(&received_, tag); }
  bool received(std::vector<EnvelopePtr>& envelopes) override {
    bool whole = context_.method() == kMethod && decodeFrames(received_, envelopes);
    received_.Clear();
    return whole;
  }
  void write(const std::vector<EnvelopePtr>& envelopes, void* tag) override {
    stream_.Write(encodeFrames(envelopes), tag);
  }
  void endWrites(void* tag) override { finish(tag); }
  void finish(void* tag) override { stream_.Finish(grpc::Status::OK, tag); }
  void cancel() override { context_.TryCancel(); }
  std::string failure() const override { return ""; }

 private:
  grpc::AsyncGenericService& service_;
  grpc::ServerCompletionQueue& queue_;
  grpc::GenericServerContext context_;
  grpc::GenericServerAsyncReaderWriter stream_{&context_};
  grpc::ByteBuffer received_;
};

}  // namespace

std::unique_ptr<Stream> Stream::toDial(const std::string& address, const LinkSecretPtr& secret, grpc::CompletionQueue& queue) {
  return std::make_unique<DialledStream>(address, secret, queue);
}

std::unique_ptr<Stream> Stream::toAccept(grpc::AsyncGenericService& service, grpc::ServerCompletionQueue& queue) {
  return std::make_unique<AcceptedStream>(service, queue);
}

}  // namespace sluice
