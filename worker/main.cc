// sluice-worker: offers this host's slots and memory to a master, and runs executors and drivers for it.
#include <glog/logging.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "common/command_line.h"
#include "common/conf.h"
#include "common/daemon.h"
#include "common/fail_point.h"
#include "common/master_url.h"
#include "common/settings_files.h"
#include "worker/shell.h"

namespace {

constexpr std::uint64_t kLeastMemory = 64ull << 20;

struct Flags {
  std::string host = "127.0.0.1", memory, workDirectory, properties;
  std::vector<std::string> masters, conf;
  std::uint32_t cores = 0;
  std::uint32_t port = 0, webuiPort = 8081;
  bool temporary = false;
};

void declare(CLI::App& app, Flags& flags) {
  app.set_help_flag("--help", "Print this and exit");
  app.add_option("master", flags.masters, "The master's URL")->group("");
  app.add_option("-h,--host", flags.host, "Name or address of this host, as others reach it")->envname("SLUICE_WORKER_HOST")->capture_default_str();
  app.add_option("-c,--cores", flags.cores, "Slots to offer (all cores)")->check(CLI::Range(1, 65536))->envname("SLUICE_WORKER_CORES");
  app.add_option("-m,--memory", flags.memory, "Memory to offer, as 512m or 2g (all but 1g)")->envname("SLUICE_WORKER_MEMORY");
  app.add_option("-d,--work-dir", flags.workDirectory, "Packages and logs")->envname("SLUICE_WORKER_DIR");
  app.add_option("-p,--port", flags.port, "Accepted; a worker listens on no port")->check(CLI::Range(0, 65535))->group("");
  app.add_option("--webui-port", flags.webuiPort, "Accepted; there is no web page yet")->check(CLI::Range(0, 65535))->envname("SLUICE_WORKER_WEBUI_PORT")->capture_default_str();
  app.add_option("--conf", flags.conf, "A setting, KEY=VALUE, as of sluice.worker.resource.gpu.amount")->allow_extra_args(false);
  app.add_option("--properties-file", flags.properties, "Settings, instead of conf/sluice-defaults.conf");
  app.add_flag("--temporary", flags.temporary)->group("");  // of local-cluster: ends with its parent and takes its files along
}

std::uint64_t allButOneGigabyte() {
  std::uint64_t all = std::uint64_t(::sysconf(_SC_PHYS_PAGES)) * std::uint64_t(::sysconf(_SC_PAGE_SIZE));
  return all > (2ull << 30) ? all - (1ull << 30) : all / 2;
}

// Empty: fine.
std::string readMemory(const std::string& text, std::uint64_t& bytes) {
  if (text.empty()) return bytes = allButOneGigabyte(), "";
  auto parsed = sluice::parseSize(text);
  if (!parsed) return "--memory '" + text + "' is no size; write it as 512m or 2g";
  if (text.find_first_not_of("0123456789") == std::string::npos) return "--memory " + text + " needs a unit, as in " + text + "m or " + text + "g";
  if (*parsed < kLeastMemory) return "--memory " + text + " is too little; a worker needs at least 64m";
  bytes = *parsed;
  return "";
}

}  // namespace

int main(int argc, char** argv) {
  sluice::CommandLine line("sluice-worker", "Runs executors and drivers on this host for a master.",
                           "sluice-worker [flags] sluice://HOST:PORT[,HOST:PORT]", SLUICE_VERSION);
  Flags flags;
  declare(line.app(), flags);
  if (auto code = line.parse(argc, argv)) return *code;
  sluice::Settings settings;
  if (auto status = sluice::readSettings(flags.properties, settings); !status.ok()) return line.fail(sluice::kExitUsage, std::string(status.message()));
  for (const auto& pair : flags.conf) {
    if (auto status = settings.setPair(pair, sluice::ConfOrigin::kFlag, "--conf"); !status.ok()) return line.fail(sluice::kExitUsage, std::string(status.message()));
  }
  for (const auto& warning : settings.warnings()) std::fprintf(stderr, "sluice-worker: %s\n", warning.c_str());
  if (auto status = sluice::armFailPointsFromEnvironment(); !status.ok()) return line.fail(sluice::kExitUsage, std::string(status.message()));
  if (flags.masters.size() > 1) return line.unexpected({flags.masters[1]});
  std::string master = flags.masters.empty() ? settings.get(sluice::conf::kMaster) : flags.masters[0];
  if (master.empty()) return line.fail(sluice::kExitUsage, "which master? give its URL, sluice://HOST:PORT");
  sluice::MasterUrl url;
  if (auto status = sluice::parseMasterUrl(master, url); !status.ok()) return line.fail(sluice::kExitUsage, std::string(status.message()));
  if (url.kind != sluice::MasterUrl::Kind::kRemote) return line.fail(sluice::kExitUsage, "'" + master + "' is no master to register with; give sluice://HOST:PORT");

  sluice::worker::ShellOptions options;
  if (std::string wrong = readMemory(flags.memory, options.memoryBytes); !wrong.empty()) return line.fail(sluice::kExitUsage, wrong);
  options.host = flags.host;
  options.slots = flags.cores ? flags.cores : std::max(1u, std::thread::hardware_concurrency());
  options.masters = url.addresses;
  if (auto status = sluice::readLinkSecret(settings, options.secret); !status.ok()) return line.fail(sluice::kExitUsage, std::string(status.message()));
  options.environment = sluice::environmentOfSecret(settings);
  if (auto status = sluice::discoverResources(settings, "worker", options.resources); !status.ok()) return line.fail(sluice::kExitUsage, std::string(status.message()));
  options.workDirectory = flags.workDirectory.empty() ? sluice::workDirectory(settings) : flags.workDirectory;
  options.localDirectory = settings.get(sluice::conf::kLocalDir);
  options.heartbeatMs = settings.get(sluice::conf::kWorkerTimeout).milliseconds() / 4;
  FLAGS_logtostderr = true;
  google::InitGoogleLogging(argv[0]);
  options.log = [](const std::string& text) { LOG(INFO) << text; };
  options.registered = [](const std::string& with) {
    std::printf("registered with sluice://%s\n", with.c_str());
    std::fflush(stdout);
  };
  sluice::DaemonEnd end(flags.temporary);
  options.leave = [&](int code, const std::string& text) { end.leave(line.fail(code, text)); };

  sluice::worker::Shell shell(options);
  if (auto status = shell.open(); !status.ok()) return line.fail(sluice::kExitFailed, std::string(status.message()));
  int code = end.wait();
  shell.close();
  if (flags.temporary) sluice::removeTemporary(options.workDirectory);
  return code;
}
