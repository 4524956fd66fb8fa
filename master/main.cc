// sluice-master: registers workers and applications and schedules everything that runs.
#include <glog/logging.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "common/command_line.h"
#include "common/conf.h"
#include "common/daemon.h"
#include "common/fail_point.h"
#include "common/settings_files.h"
#include "master/shell.h"

namespace {

struct Flags {
  std::string host = "127.0.0.1", workDirectory, properties;
  std::vector<std::string> conf;
  std::uint32_t port = 7077, webuiPort = 8080;
  bool temporary = false;
};

void declare(CLI::App& app, Flags& flags) {
  app.set_help_flag("--help", "Print this and exit");
  app.add_option("-h,--host", flags.host, "Name or address to listen on, as others reach it")->envname("SLUICE_MASTER_HOST")->capture_default_str();
  app.add_option("-p,--port", flags.port, "Port; 0 picks a free one")->check(CLI::Range(0, 65535))->envname("SLUICE_MASTER_PORT")->capture_default_str();
  app.add_option("--webui-port", flags.webuiPort, "Accepted; there is no web page yet")->check(CLI::Range(0, 65535))->envname("SLUICE_MASTER_WEBUI_PORT")->capture_default_str();
  app.add_option("-d,--work-dir", flags.workDirectory, "Journal, packages and application logs")->envname("SLUICE_WORK_DIR");
  app.add_option("--conf", flags.conf, "A setting, KEY=VALUE, as of sluice.authenticate.secret.file")->allow_extra_args(false);
  app.add_option("--properties-file", flags.properties, "Settings, instead of conf/sluice-defaults.conf");
  app.add_flag("--temporary", flags.temporary)->group("");  // of local-cluster: ends with its parent and takes its files along
}

bool isLoopback(const std::string& host) { return host == "localhost" || host == "::1" || host.rfind("127.", 0) == 0; }

}  // namespace

int main(int argc, char** argv) {
  sluice::CommandLine line("sluice-master", "Registers workers and applications and schedules everything that runs.",
                           "sluice-master [flags]", SLUICE_VERSION);
  Flags flags;
  declare(line.app(), flags);
  if (auto code = line.parse(argc, argv)) return *code;
  sluice::Settings settings;
  if (auto status = sluice::readSettings(flags.properties, settings); !status.ok()) return line.fail(sluice::kExitUsage, std::string(status.message()));
  for (const auto& pair : flags.conf) {
    if (auto status = settings.setPair(pair, sluice::ConfOrigin::kFlag, "--conf"); !status.ok()) return line.fail(sluice::kExitUsage, std::string(status.message()));
  }
  for (const auto& warning : settings.warnings()) std::fprintf(stderr, "sluice-master: %s\n", warning.c_str());
  if (auto status = sluice::armFailPointsFromEnvironment(); !status.ok()) return line.fail(sluice::kExitUsage, std::string(status.message()));

  FLAGS_logtostderr = true;
  google::InitGoogleLogging(argv[0]);
  sluice::master::ShellOptions options;
  options.host = flags.host;
  options.port = std::uint16_t(flags.port);
  if (auto status = sluice::readLinkSecret(settings, options.secret); !status.ok()) return line.fail(sluice::kExitUsage, std::string(status.message()));
  options.workDirectory = flags.workDirectory.empty() ? sluice::workDirectory(settings) : flags.workDirectory;
  options.heartbeatTimeoutMs = settings.get(sluice::conf::kWorkerTimeout).milliseconds();
  options.driverTimeoutMs = settings.get(sluice::conf::kDriverTimeout).milliseconds();
  options.log = [](const std::string& text) { LOG(INFO) << text; };
  if (!options.secret && !isLoopback(flags.host)) {
    LOG(WARNING) << "listening on " << flags.host << " without a secret: whoever reaches this port can run programs on the workers; name one by sluice.authenticate.secret.file";
  }
  sluice::DaemonEnd end(flags.temporary);
  options.fail = [&end, &line](const std::string& text) { end.leave(line.fail(sluice::kExitFailed, text)); };

  sluice::master::Shell shell(options);
  if (auto status = shell.open(); !status.ok()) return line.fail(sluice::kExitFailed, std::string(status.message()));
  std::printf("%s\n", shell.url().c_str());
  std::fflush(stdout);
  int code = end.wait();
  shell.close();
  if (flags.temporary) sluice::removeTemporary(options.workDirectory);
  return code;
}
