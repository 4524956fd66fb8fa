#include "worker/executor/outgoing.h"

#include "sluice/error.h"

namespace sluice::executor {

namespace {
constexpr std::uint64_t kMessageBytes = 1 << 20;
}  // namespace

std::shared_ptr<Outgoing> Outgoing::start(Control& control, Peer to, std::vector<Entry> entries, Emit emit, Gone gone) {
  std::shared_ptr<Outgoing> outgoing(new Outgoing(control, to, std::move(entries), std::move(emit), std::move(gone)));
  outgoing->step();
  return outgoing;
}

void Outgoing::step() {
  while (!over() && control_.lanes.enter(to_, shared_from_this())) {
    std::size_t first = next_;
    std::uint64_t size = 0;
    std::vector<Bytes> bytes;
    bool inMemory = true;
    while (next_ < entries_.size() && (size == 0 || size + entries_[next_].piece.object->bytes() <= kMessageBytes)) {
      const ObjectPtr& object = entries_[next_++].piece.object;
      size += object->bytes();
      Pin pin;
      if (inMemory && (inMemory = control_.store().pinInMemory(object, pin))) bytes.push_back(pin.bytes());
    }
    control_.lanes.add(to_, size);
    if (!inMemory) return load(first, next_ - first, size);
    finished_ = next_ == entries_.size();
    emit_(first, std::move(bytes), finished_);
  }
}

void Outgoing::load(std::size_t first, std::size_t count, std::uint64_t size) {
  auto bytes = std::make_shared<std::vector<Bytes>>();
  auto present = std::make_shared<bool>(true);
  auto self = shared_from_this();
  control_.background(
      [self, bytes, present, first, count] {
        try {
          for (std::size_t i = first; i < first + count && *present; ++i) {
            Pin pin;
            *present = self->control_.store().pin(self->entries_[i].piece.object, pin);
            bytes->push_back(pin.bytes());
          }
        } catch (const Error&) {
          *present = false;
        }
      },
      [self, bytes, present, first, size] {
        if (self->control_.lanes.session(self->to_) != self->session_) return;
        if (self->cancelled_ || !*present) self->control_.lanes.onTaken(self->to_, size);
        if (self->cancelled_) return;
        if (!*present) {
          self->finished_ = true;
          return self->gone_();
        }
        self->finished_ = self->next_ == self->entries_.size();
        self->emit_(first, std::move(*bytes), self->finished_);
        self->step();
      });
}

}  // namespace sluice::executor
