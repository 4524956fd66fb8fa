#include "common/grpc/frame.h"

#include <cstdint>

#include "common/grpc/ordering.h"

namespace sluice {
namespace {

constexpr std::size_t kCopyBelow = 4096;  // smaller pieces are cheaper to copy than to hand over
constexpr std::uint64_t kMostAttachments = 1 << 20;  // each takes more memory than the byte that announces it

void putVarint(Buffer& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push(char(value | 0x80));
  out.push(char(value));
}

bool takeVarint(std::string_view& from, std::uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64 && !from.empty(); shift += 7) {
    auto byte = static_cast<unsigned char>(from.front());
    from.remove_prefix(1);
    value |= std::uint64_t(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool takeBytes(std::string_view& from, std::uint64_t size, std::string_view& taken) {
  if (size > from.size()) return false;
  taken = from.substr(0, size);
  from.remove_prefix(size);
  return true;
}

// gRPC lets go of it on whichever thread sees it sent.
void letGo(void* owner) {
  takenFromGrpc(owner);
  delete static_cast<std::shared_ptr<const void>*>(owner);
}

grpc::Slice sliceOf(const Bytes& bytes) {
  auto* owner = new std::shared_ptr<const void>(bytes.owner());
  handedToGrpc(owner);
  return grpc::Slice(const_cast<char*>(bytes.data()), bytes.size(), letGo, owner);
}

// Copied bytes gather in `run`; a piece that is handed over ends the run.
struct Pieces {
  void endRun() {
    if (run.empty()) return;
    if (run.size() < kCopyBelow) {
      slices.emplace_back(run.data(), run.size());
      run.clear();
    } else {
      slices.push_back(sliceOf(Bytes::of(std::move(run))));
      run = Buffer();
    }
  }
  void add(const Bytes& bytes) {
    if (bytes.size() < kCopyBelow) {
      run.append(bytes.view());
    } else {
      endRun();
      slices.push_back(sliceOf(bytes));
    }
  }
  Buffer run;
  std::vector<grpc::Slice> slices;
};

// A short attachment must not hold a long buffer for as long as it lives.
bool worthCopying(std::size_t attached, std::size_t received) {
  return attached < kCopyBelow || (attached < received / 2 && attached < (64u << 10));
}

bool decodeFrame(std::string_view& rest, const std::shared_ptr<const grpc::Slice>& received, EnvelopePtr& result) {
  std::uint64_t messageSize, count;
  if (!takeVarint(rest, messageSize) || !takeVarint(rest, count) || count > rest.size() || count > kMostAttachments || messageSize > INT32_MAX)
    return false;
  auto envelope = std::make_shared<Envelope>();
  std::vector<std::uint64_t> sizes(count);
  std::uint64_t attached = 0;
  for (auto& size : sizes) {
    if (!takeVarint(rest, size) || size > rest.size()) return false;
    attached += size;
  }
  std::string_view body, bulk;
  if (!takeBytes(rest, messageSize, body) || !takeBytes(rest, attached, bulk)) return false;
  if (!envelope->message.ParseFromArray(body.data(), int(body.size()))) return false;
  if (count != 0) {
    Bytes all = worthCopying(attached, received->size()) ? Bytes::of(std::string(bulk)) : Bytes(received, bulk);
    envelope->attachments.reserve(count);
    std::size_t at = 0;
    for (std::uint64_t size : sizes) envelope->attachments.push_back(all.part(at, size)), at += size;
  }
  result = std::move(envelope);
  return true;
}

}  // namespace

std::size_t frameSize(const Envelope& envelope) {
  std::size_t size = 16 + envelope.message.ByteSizeLong();
  for (const auto& bytes : envelope.attachments) size += bytes.size() + 4;
  return size;
}

grpc::ByteBuffer encodeFrames(const std::vector<EnvelopePtr>& envelopes) {
  Pieces pieces;
  for (const auto& envelope : envelopes) {
    std::size_t messageSize = envelope->message.ByteSizeLong();
    pieces.run.reserve(messageSize + 20 + envelope->attachments.size() * 5);
    putVarint(pieces.run, messageSize);
    putVarint(pieces.run, envelope->attachments.size());
    for (const auto& bytes : envelope->attachments) putVarint(pieces.run, bytes.size());
    char* body = pieces.run.reserve(messageSize);
    envelope->message.SerializeWithCachedSizesToArray(reinterpret_cast<std::uint8_t*>(body));
    pieces.run.advance(messageSize);
    for (const auto& bytes : envelope->attachments) pieces.add(bytes);
  }
  pieces.endRun();
  return grpc::ByteBuffer(pieces.slices.data(), pieces.slices.size());
}

bool decodeFrames(const grpc::ByteBuffer& bytes, std::vector<EnvelopePtr>& envelopes) {
  auto slice = std::make_shared<grpc::Slice>();
  if (!bytes.TrySingleSlice(slice.get()).ok() && !bytes.DumpToSingleSlice(slice.get()).ok()) return false;
  std::string_view rest(reinterpret_cast<const char*>(slice->begin()), slice->size());
  while (!rest.empty()) {
    EnvelopePtr envelope;
    if (!decodeFrame(rest, slice, envelope)) return false;
    envelopes.push_back(std::move(envelope));
  }
  return true;
}

}  // namespace sluice
