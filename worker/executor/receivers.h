// Receivers and planners of this executor, and the blocks that they and its peers' receivers put here.
#pragma once
#include <cstdint>

#include "worker/executor/control.h"
#include "worker/executor/templates.h"
#include "worker/executor/values.h"

namespace sluice::executor {

class Receivers {
 public:
  Receivers(Control& control, Values& values) : control_(control), values_(values) {}
  void onStart(const proto::StartReceiver&, Templates&) {}
  void onClose(const proto::CloseReceiver&) {}
  void onAccepted(const proto::Accepted&) {}
  void onCopyBlock(Peer, const EnvelopePtr&) {}
  void onBlockCopied(const proto::BlockCopied&) {}
  void onPeer(std::uint64_t, bool) {}
  void onTimer(TimerName) {}
  void report(proto::Report&) const {}
  void tellAgain() {}

 private:
  [[maybe_unused]] Control& control_;
  [[maybe_unused]] Values& values_;
};

}  // namespace sluice::executor
