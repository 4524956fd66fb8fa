// sluice-ctl: what spark-submit has no word for.
#include <cstdio>
#include <string>
#include <vector>

#include "client/cluster/ask_master.h"
#include "common/command_line.h"
#include "common/conf.h"
#include "common/master_url.h"
#include "common/own_library.h"
#include "common/settings_files.h"

namespace {

std::string text(const absl::Status& status) { return std::string(status.message().data(), status.message().size()); }

}  // namespace

int main(int argc, char** argv) {
  sluice::CommandLine line("sluice-ctl", "Asks after a cluster.", "sluice-ctl [flags] list | metrics", SLUICE_VERSION);
  std::string master, properties, command;
  CLI::App& app = line.app();
  app.add_option("--master", master, "The cluster, sluice://HOST:PORT");
  app.add_option("--properties-file", properties, "Settings, instead of conf/sluice-defaults.conf");
  app.add_option("command", command, "list: workers and applications, one a line; metrics: what the master counts, in Prometheus's text form")->required();
  if (auto code = line.parse(argc, argv)) return *code;
  if (command != "list" && command != "metrics") return line.fail(sluice::kExitUsage, "unknown command " + command + "; there are: list, metrics");
  sluice::Settings settings;
  if (auto status = sluice::readSettings(properties, settings); !status.ok()) return line.fail(sluice::kExitUsage, text(status));
  for (const auto& warning : settings.warnings()) std::fprintf(stderr, "sluice-ctl: %s\n", warning.c_str());
  sluice::MasterUrl url;
  if (master.empty()) master = settings.get(sluice::conf::kMaster);
  if (master.empty()) return line.fail(sluice::kExitUsage, "which cluster? name it with --master sluice://HOST:PORT");
  if (auto status = sluice::parseMasterUrl(master, url); !status.ok()) return line.fail(sluice::kExitUsage, text(status));
  if (url.kind != sluice::MasterUrl::Kind::kRemote) return line.fail(sluice::kExitUsage, "name the cluster with --master sluice://HOST:PORT");

  sluice::MasterQuestion question;
  question.settings = settings;
  question.addresses = url.addresses;
  question.complete = [&](const sluice::proto::Package&, sluice::proto::Message& message) { message.mutable_status()->set_id(command); };
  question.answers = [&](const sluice::proto::Message& message) { return message.has_status_reply() && message.status_reply().id() == command; };
  sluice::EnvelopePtr answer;
  void* entry = nullptr;
  absl::Status status = sluice::ownSymbol("libsluice_cluster.so", "sluice_ask_master", entry);
  using Ask = void (*)(const sluice::MasterQuestion&, sluice::EnvelopePtr*, absl::Status*);
  if (status.ok()) reinterpret_cast<Ask>(entry)(question, &answer, &status);
  if (!status.ok()) return line.fail(status.code() == absl::StatusCode::kUnavailable ? sluice::kExitUnreachable : sluice::kExitFailed, text(status));
  std::printf("%s", answer->message.status_reply().detail().c_str());
  return sluice::kExitOk;
}
