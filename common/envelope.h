// A message together with the bulk bytes that ride beside it. Links pass it without copying the bytes.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/link.pb.h"
#include "sluice/buffer.h"

namespace sluice {

// Immutable shared bytes: a received block, a segment, a result. Copying copies a pointer.
class Bytes {
 public:
  Bytes() = default;
  Bytes(std::shared_ptr<const void> owner, std::string_view view) : owner_(std::move(owner)), view_(view) {}
  static Bytes of(std::string text) {
    auto owned = std::make_shared<const std::string>(std::move(text));
    return Bytes(owned, *owned);
  }
  static Bytes of(Buffer buffer) {
    auto owned = std::make_shared<const Buffer>(std::move(buffer));
    return Bytes(owned, owned->view());
  }
  std::string_view view() const { return view_; }
  const char* data() const { return view_.data(); }
  std::size_t size() const { return view_.size(); }
  bool empty() const { return view_.empty(); }
  Bytes part(std::size_t from, std::size_t n) const { return Bytes(owner_, view_.substr(from, n)); }
  const std::shared_ptr<const void>& owner() const { return owner_; }

 private:
  std::shared_ptr<const void> owner_;
  std::string_view view_;
};

struct Envelope {
  proto::Message message;
  std::vector<Bytes> attachments;
};
using EnvelopePtr = std::shared_ptr<const Envelope>;

// A new envelope whose body is filled in place: auto [e, launch] = compose(&proto::Message::mutable_launch);
template <class Body>
std::pair<std::shared_ptr<Envelope>, Body*> compose(Body* (proto::Message::*mutableBody)()) {
  auto envelope = std::make_shared<Envelope>();
  Body* body = (envelope->message.*mutableBody)();
  return {std::move(envelope), body};
}

}  // namespace sluice
