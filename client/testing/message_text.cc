#include "client/testing/message_text.h"

#include "absl/strings/str_cat.h"

namespace sluice::testing {
namespace {

std::string tasksText(const proto::Tasks& tasks) {
  std::string text;
  for (int i = 0; i < tasks.stage_size(); ++i) {
    absl::StrAppend(&text, " ", tasks.stage(i), "/", tasks.when_ms(i), "/", tasks.partition(i), "#", tasks.attempt(i));
  }
  return text;
}

template <class Routes> std::string routesText(const char* what, const Routes& routes) {
  std::string text;
  for (const auto& route : routes) {
    absl::StrAppend(&text, " ", what, " ", route.node(), "/", route.when_ms(), "/", route.partition(), "@", route.executor());
  }
  return text;
}

std::string instanceText(const proto::InstanceId& id) { return absl::StrCat(id.when_ms(), ".", id.run()); }

}  // namespace

std::string textOf(const proto::Message& message) {
  switch (message.body_case()) {
    case proto::Message::kInstall: {
      const auto& install = message.install();
      return absl::StrCat("install ", install.template_hash() % 10'000, " epoch ", install.epoch().epoch() & 0xffff);
    }
    case proto::Message::kLaunch: {
      const auto& launch = message.launch();
      std::string text = absl::StrCat("launch ", instanceText(launch.instance()), " k ", launch.k(), " template ", launch.template_hash() % 10'000,
                                      " epoch ", launch.epoch() & 0xffff, tasksText(launch.tasks()), routesText("moved", launch.moved()),
                                      routesText("kept", launch.kept()));
      for (const auto& count : launch.counts()) absl::StrAppend(&text, " count ", count.node(), "/", count.when_ms(), "=", count.partitions());
      for (const auto& mark : launch.marks()) absl::StrAppend(&text, " mark ", mark.node(), "<", mark.below_ms());
      return text;
    }
    case proto::Message::kPrepared: {
      const auto& prepared = message.prepared();
      std::string text = absl::StrCat("prepared ", instanceText(prepared.instance()), " k ", prepared.k(), tasksText(prepared.tasks()));
      for (const auto& result : prepared.results()) absl::StrAppend(&text, " result ", result.output(), "/", result.partition());
      return text + routesText("kept", prepared.kept());
    }
    case proto::Message::kFailed: {
      const auto& failed = message.failed();
      return absl::StrCat("failed ", instanceText(failed.instance()), " k ", failed.k(), " ", failed.stage(), "/", failed.when_ms(), "/",
                          failed.partition(), "#", failed.attempt(), ": ", failed.message(), routesText("missing", failed.missing()));
    }
    case proto::Message::kPush: {
      const auto& push = message.push();
      std::string text = absl::StrCat("push ", push.node(), ".", push.edge(), "/", push.when_ms(), " for ", push.scope_ms(), " map ",
                                      push.map_partition(), "#", push.attempt(), " reducers");
      for (auto reducer : push.reducer()) absl::StrAppend(&text, " ", reducer);
      return text;
    }
    case proto::Message::kGet: return absl::StrCat("get ", message.get().request(), routesText("kept", std::vector{message.get().kept()}));
    case proto::Message::kGot: return absl::StrCat("got ", message.got().request(), message.got().present() ? "" : " absent");
    case proto::Message::kReport: return "report" + routesText("kept", message.report().kept());
    case proto::Message::kRelease: {
      std::string text = "release";
      for (auto when : message.release().instances()) absl::StrAppend(&text, " ", when);
      for (const auto& mark : message.release().marks()) absl::StrAppend(&text, " mark ", mark.node(), "<", mark.below_ms());
      return text;
    }
    case proto::Message::kCancelInstance: return "cancel " + instanceText(message.cancel_instance().instance());
    case proto::Message::kRestore: return absl::StrCat("restore ", message.restore().when_ms(), " ", message.restore().files_size(), " files");
    case proto::Message::kJobDone: return absl::StrCat("job ", message.job_done().number(), " done");
    case proto::Message::kJobFailed: return absl::StrCat("job ", message.job_failed().number(), " failed: ", message.job_failed().message());
    case proto::Message::kRunJob: return absl::StrCat("run job ", message.run_job().number());
    case proto::Message::kBatchDone: return absl::StrCat("batch ", message.batch_done().when_ms(), " done ", message.batch_done().error());
    default: return absl::StrCat("message ", int(message.body_case()));
  }
}

}  // namespace sluice::testing
