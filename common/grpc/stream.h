// The one gRPC call behind a session, dialled or accepted. At most one read, one write and one end may be under way at
// a time; each gives its tag back through the completion queue.
#pragma once
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/async_generic_service.h>

#include <memory>
#include <string>
#include <vector>

#include "common/envelope.h"
#include "common/grpc/secret.h"

namespace sluice {

class Stream {
 public:
  virtual ~Stream() = default;

  // One attempt, over a connection of its own.
  static std::unique_ptr<Stream> toDial(const std::string& address, const LinkSecretPtr& secret, grpc::CompletionQueue& queue);
  // The next one that comes.
  static std::unique_ptr<Stream> toAccept(grpc::AsyncGenericService& service, grpc::ServerCompletionQueue& queue);

  virtual void open(void* tag) = 0;  // it stands, or never will (accepted ones: the server shuts down)
  virtual bool dialled() const = 0;
  virtual void read(void* tag) = 0;
  // What the read brought; false: not frames of ours.
  virtual bool received(std::vector<EnvelopePtr>& envelopes) = 0;
  virtual void write(const std::vector<EnvelopePtr>& envelopes, void* tag) = 0;
  virtual void endWrites(void* tag) = 0;    // of a dialled one; an accepted one ends its writes by finish()
  virtual void finish(void* tag) = 0;       // once; no write may be under way
  virtual void cancel() = 0;                // any thread, any time once it stands
  virtual std::string failure() const = 0;  // after finish(): one line, empty if it ended in order
};

}  // namespace sluice
