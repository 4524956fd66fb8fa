#include "worker/executor/machine.h"

#include <map>
#include <set>
#include <tuple>

#include "common/fail_point.h"
#include "sluice/error.h"
#include "worker/executor/broadcasts.h"
#include "worker/executor/control.h"
#include "worker/executor/durable_files.h"
#include "worker/executor/instances.h"
#include "worker/executor/meetings.h"
#include "worker/executor/receivers.h"
#include "worker/executor/shuffle.h"
#include "worker/executor/templates.h"
#include "worker/executor/values.h"

namespace sluice::executor {

class Machine::State {
 public:
  State(Options options, Effects& effects, Runtime& runtime)
      : control{std::move(options), effects, runtime, {}}, shuffle(control), values(control), broadcasts(control), meetings(control), instances(control, shuffle, values, broadcasts, meetings),
        templates(control, broadcasts), files(control, values, templates), receivers(control, values) {
    control.afterEvent = [this] { settle(); };
  }

  // What every event begins and ends with.
  struct Event {
    Event(State& state, Moment now) : state(state) { state.control.now = now; }
    ~Event() { state.settle(); }
    State& state;
  };

  void settle() {
    instances.pump();
    easeMemory();
  }
  void onMessage(Peer from, const EnvelopePtr& envelope);
  void arrived(Peer from, const Envelope& envelope);  // what an Outgoing sent
  void onLaunch(const EnvelopePtr& envelope);
  void onRelease(const proto::Release& release);
  void applyMarks(const google::protobuf::RepeatedPtrField<proto::Mark>& marks);
  void report();
  void easeMemory();
  void watchResources();
  void closeIdleResources();

  Control control;
  Shuffle shuffle;
  Values values;
  Broadcasts broadcasts;
  Meetings meetings;
  Instances instances;
  Templates templates;
  DurableFiles files;
  Receivers receivers;
  std::set<Peer> peers;
  bool easing = false, eased = false;  // room is being made; was made in this event
  bool idling = false;  // the timer of resources is armed, or they are being closed
};

void Machine::State::onMessage(Peer from, const EnvelopePtr& envelope) {
  const proto::Message& message = envelope->message;
  if (from.role == Role::kMaster && message.term() < control.highestTerm) {
    auto [refusal, refused] = compose(&proto::Message::mutable_refused);
    refused->set_why("a master of a later term is known here"), refused->set_term(control.highestTerm);
    return control.send(from, std::move(refusal));
  }
  control.highestTerm = std::max(control.highestTerm, message.term());
  control.highestDurable = std::max(control.highestDurable, message.durable());
  if (control.cluster.empty()) control.cluster = message.cluster();
  switch (message.body_case()) {
    case proto::Message::kInstall: return templates.onInstall(envelope);
    case proto::Message::kLaunch: return onLaunch(envelope);
    case proto::Message::kRelease: return onRelease(message.release());
    case proto::Message::kCancelInstance: return instances.cancel(message.cancel_instance().instance(), message.cancel_instance().kill_after_ms());
    case proto::Message::kStopTask: return instances.stopTask(message.stop_task());
    case proto::Message::kBarrierOpen: return meetings.onOpen(message.barrier_open());
    case proto::Message::kWatchTasks:
      instances.listen(message.watch_tasks().listens());
      return instances.watch(message.watch_tasks().on());
    case proto::Message::kAskStorage: return values.onAskStorage(message.ask_storage());
    case proto::Message::kPublish: return files.onPublish(message.publish());
    case proto::Message::kTakeCheckpoint: return files.onTakeCheckpoint(message.take_checkpoint());
    case proto::Message::kRestore: return files.onRestore(message.restore());
    case proto::Message::kStartReceiver: return receivers.onStart(message.start_receiver(), templates);
    case proto::Message::kReceiverRate: return receivers.onRate(message.receiver_rate());
    case proto::Message::kCloseReceiver: return receivers.onClose(message.close_receiver());
    case proto::Message::kAccepted: return receivers.onAccepted(message.accepted());
    case proto::Message::kTaken: return control.lanes.onTaken(from, message.taken().bytes());
    case proto::Message::kPush:
      arrived(from, *envelope);
      // A batch's segments may be read after the job that made them again; its marks let them go.
      if (message.push().when_ms() > 0 || !instances.released(message.push().scope_ms())) shuffle.onPush(from, envelope);
      return;
    case proto::Message::kCopyBlock: return receivers.onCopyBlock(from, envelope);
    case proto::Message::kCopyKept: arrived(from, *envelope); return values.onCopyKept(from, envelope);
    case proto::Message::kBlockCopied: return receivers.onBlockCopied(message.block_copied());
    case proto::Message::kGet:
      if (message.get().what_case() == proto::Get::kBroadcast) return broadcasts.onGet(from, message.get());
      return values.onGet(from, envelope);
    case proto::Message::kGot:
      if (broadcasts.onGot(from, envelope)) return;
      arrived(from, *envelope);
      return values.onGot(from, envelope);
    default: return;  // Hello, Refused: the shell's
  }
}

void Machine::State::arrived(Peer from, const Envelope& envelope) {
  std::uint64_t bytes = 0;
  for (const Bytes& attachment : envelope.attachments) bytes += attachment.size();
  control.lanes.received(from, bytes);
}

void Machine::State::onLaunch(const EnvelopePtr& envelope) {
  const proto::Launch& launch = envelope->message.launch();
  applyMarks(launch.marks());
  auto installed = templates.find(launch.template_hash(), launch.captures_version(), launch.epoch());
  if (!installed) {
    return instances.refuse(launch, templates.whyMissing(launch.template_hash()));
  }
  instances.onLaunch(envelope, std::move(installed));
}

void Machine::State::applyMarks(const google::protobuf::RepeatedPtrField<proto::Mark>& marks) {
  for (const auto& mark : marks) {
    values.releaseBelow(mark.node(), mark.below_ms());
    shuffle.releaseBelow(mark.node(), mark.below_ms());
  }
}

void Machine::State::onRelease(const proto::Release& release) {
  applyMarks(release.marks());
  for (std::int64_t when : release.instances()) {
    instances.release(when);
    shuffle.release(when);
    values.release(when);
  }
  if (release.over_below_ms() > 0) instances.releaseBelow(release.stream(), release.over_below_ms());
  for (std::uint32_t node : release.unpersisted()) values.unpersist(node);
  for (const auto& dropped : release.dropped()) shuffle.drop(dropped);
  for (const auto& block : release.blocks()) values.dropBlock(BlockId::of(block));
  for (std::uint64_t id : release.unpersisted_broadcasts()) broadcasts.unpersist(id);
  for (std::uint64_t id : release.destroyed_broadcasts()) broadcasts.forget(id);
  const std::vector<std::uint64_t> exchanges(release.exchanges().begin(), release.exchanges().end());
  if (release.all_but()) control.runtime.mapOutputs().forgetAllBut(exchanges);
  else if (!exchanges.empty()) control.runtime.mapOutputs().forget(exchanges);
  templates.onRelease(release);
  if (release.request() == 0) return;
  auto [envelope, dropped] = compose(&proto::Message::mutable_dropped);
  dropped->set_app(control.options.app.value), dropped->set_request(release.request());
  control.send(kMasterPeer, std::move(envelope));
}

void Machine::State::report() {
  auto [envelope, report] = compose(&proto::Message::mutable_report);
  report->set_app(control.options.app.value);
  report->set_executor(control.options.executor.value);
  report->set_address(control.options.address);
  report->set_slots(control.options.slots);
  writeResources(control.options.resources, *report->mutable_resources());
  report->set_host(control.options.host);
  values.report(*report);
  receivers.report(*report);
  report->set_highest_term(control.highestTerm);
  report->set_highest_sequence(control.highestDurable);
  report->set_map_outputs(!control.runtime.mapOutputs().empty());
  control.send(kMasterPeer, std::move(envelope));
}

// What peers and receivers sent may have filled the memory: the disk's thread makes room, and peers go on when there is some. If there
// was nothing that could go, the next event tries again.
void Machine::State::easeMemory() {
  if (easing || std::exchange(eased, false)) return;
  if (!control.store().over()) return control.lanes.take();
  easing = true;
  auto failed = std::make_shared<std::string>();
  control.background(
      [&store = control.store(), failed] {
        try {
          store.makeRoom();
        } catch (const Error& error) {
          *failed = error.what();
        }
      },
      [this, failed] {
        easing = false, eased = true;
        control.lanes.take();
        if (!failed->empty()) control.log(*failed);
      });
}

// What the application's functions keep and nobody has used for a while is closed, by their code, away from the strand.
void Machine::State::watchResources() {
  auto due = control.runtime.resources().due(control.now);
  if (idling || !due) return;
  idling = true;
  control.effects.arm({kIdleTimer, 0}, *due);
}

void Machine::State::closeIdleResources() {
  control.background([this, now = control.now] { control.runtime.resources().closeIdle(now); },
                     [this] {
                       idling = false;
                       watchResources();
                     });
}

Machine::Machine(Options options, Effects& effects, Runtime& runtime)
    : state_(std::make_unique<State>(std::move(options), effects, runtime)) {}
Machine::~Machine() = default;

void Machine::start(Moment now) {
  State::Event event(*state_, now);
  if (state_->peers.contains(kMasterPeer)) state_->report();
}

void Machine::onMessage(Peer from, const EnvelopePtr& envelope, Moment now) {
  State::Event event(*state_, now);
  state_->onMessage(from, envelope);
}

void Machine::onSession(Peer with, bool up, Moment now) {
  State::Event event(*state_, now);
  State& s = *state_;
  if (up) s.peers.insert(with);
  else s.peers.erase(with);
  if (with.role != Role::kMaster) s.control.lanes.onPeer(with);
  if (with.role == Role::kMaster && up) {
    s.report();
    s.meetings.tellAgain();
    if (!SLUICE_FAIL_POINT("executor.ends_not_told_again")) s.instances.tellAgain();
  } else if (with.role == Role::kExecutor) {
    s.templates.onPeer(with.id, up);
    s.receivers.onPeer(with.id, up);
    s.values.onPeer(with.id, up);
    if (up && !SLUICE_FAIL_POINT("executor.segments_not_sent_again")) s.shuffle.resend(with.id);
  }
  s.broadcasts.onPeer(with, up);  // after the report, before which the master answers nothing
}

void Machine::onTimer(TimerName timer, Moment now) {
  State::Event event(*state_, now);
  switch (timer.kind) {
    case kReportTimer: return state_->instances.onReportTimer(std::int64_t(timer.a));
    case kFetchTimer: return state_->values.onFetchTimer(timer.a);
    case kCountTimer: return state_->instances.onCountTimer();
    case kReapTimer: return state_->instances.onReapTimer(std::int64_t(timer.a));
    case kBroadcastTimer: return state_->broadcasts.onTimer();
    case kIdleTimer: return state_->closeIdleResources();
    default: return state_->receivers.onTimer(timer);
  }
}

void Machine::onTaskDone(std::shared_ptr<const TaskSpec> task, TaskDone done, Moment now) {
  State::Event event(*state_, now);
  state_->instances.onTaskDone(*task, done);
  state_->watchResources();
}

}  // namespace sluice::executor
