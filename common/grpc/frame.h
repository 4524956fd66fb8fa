// Envelopes on the wire. One gRPC message holds one or more frames, each
//   varint: bytes of the message, varint: number of attachments, a varint for the size of each, the message, the
//   attachments.
// Several waiting envelopes go as one gRPC message: each of those costs the transport a flow-control update and two
// system calls.
#pragma once
#include <grpcpp/support/byte_buffer.h>

#include <vector>

#include "common/envelope.h"

namespace sluice {

// What an envelope takes on the wire, roughly.
std::size_t frameSize(const Envelope& envelope);

// Large attachments are not copied: gRPC holds them until they are sent.
SLUICE_INTERNAL grpc::ByteBuffer encodeFrames(const std::vector<EnvelopePtr>& envelopes);

// False: not a sequence of whole frames. Attachments are views into what was received and keep it alive, except where
// that would keep much more alive than they hold.
SLUICE_INTERNAL bool decodeFrames(const grpc::ByteBuffer& bytes, std::vector<EnvelopePtr>& envelopes);

}  // namespace sluice
