// sluice-submit: runs an application, here or on a cluster, and asks after submitted ones.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <random>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/str_split.h"
#include "client/cluster/ask_master.h"
#include "client/launch.h"
#include "common/command_line.h"
#include "common/conf.h"
#include "common/master_url.h"
#include "common/module_file.h"
#include "common/own_library.h"
#include "common/package_store.h"
#include "common/process.h"
#include "common/settings_files.h"

namespace sluice {
namespace {

struct Flags {
  std::string master, deployMode, className, name, properties, kill, status, executorMemory, executorCores, totalCores, driverMemory, workDirectory;
  std::vector<std::string> conf, files, archives;
  std::uint64_t driver = 0;
  bool supervise = false, verbose = false;
};

// Flags that spark-submit has for what does not exist here.
constexpr const char* kForeign[][2] = {
    {"--jars", "ship libraries with --files"},
    {"--packages", "ship libraries with --files"},
    {"--repositories", "ship libraries with --files"},
    {"--exclude-packages", "ship libraries with --files"},
    {"--py-files", "applications are shared libraries; ship files with --files"},
    {"--driver-java-options", "there is no Java"},
    {"--driver-library-path", "link the application with an RPATH of $ORIGIN and ship libraries with --files"},
    {"--driver-class-path", "there is no Java"},
    {"--num-executors", "one executor runs on each worker; limit the slots with --total-executor-cores"},
    {"--driver-cores", "a driver takes no slot"},
    {"--queue", "there are no queues"},
    {"--proxy-user", "there are no users"},
    {"--principal", "there is no Kerberos"},
    {"--keytab", "there is no Kerberos"},
};

void declare(CLI::App& app, Flags& flags) {
  app.set_help_flag("-h,--help", "Print this and exit; --help conf lists the settings");
  app.prefix_command();
  app.add_option("--master", flags.master, "local[N], local[*], local-cluster[n,cores,memoryMb] or sluice://HOST:PORT (local[*])");
  app.add_option("--deploy-mode", flags.deployMode, "client: the driver runs here; cluster: on a worker");
  app.add_option("--class", flags.className, "Application to run: a SLUICE_APPLICATION of the module; may be left out if it has one only");
  app.add_option("--name", flags.name, "Name of the application");
  app.add_option("-c,--conf", flags.conf, "A setting, sluice.key=value; may be repeated")->allow_extra_args(false);
  app.add_option("--properties-file", flags.properties, "Settings, instead of conf/sluice-defaults.conf");
  app.add_option("--archives", flags.archives, "Archives for the application's tasks, commas between: path or path#name, as Context::addArchive")->delimiter(',')->allow_extra_args(false);
  app.add_option("--files", flags.files, "Files to ship with the module, commas between; libraries are loaded after it")->delimiter(',')->allow_extra_args(false);
  app.add_option("--executor-memory", flags.executorMemory, "Memory of one executor, as 512m or 2g");
  app.add_option("--executor-cores", flags.executorCores, "Task slots of one executor");
  app.add_option("--total-executor-cores", flags.totalCores, "Task slots of the application over the whole cluster");
  app.add_option("--driver-memory", flags.driverMemory, "Accepted; a driver takes what it needs");
  app.add_option("--work-dir", flags.workDirectory, "Where copies of modules are kept, instead of $XDG_CACHE_HOME/sluice");
  app.add_flag("--supervise", flags.supervise, "--deploy-mode cluster: start the driver again if it fails");
  app.add_option("--status", flags.status, "Print the state of a submission (driver-… or app-…)");
  app.add_option("--kill", flags.kill, "End a submission");
  app.add_flag("-v,--verbose", flags.verbose, "Say what was understood");
  app.add_option("--driver", flags.driver, "")->group("");  // this process is the driver of that submission, started by a worker
}

std::string text(const absl::Status& status) { return std::string(status.message().data(), status.message().size()); }

class Submit {
 public:
  Submit()
      : line_("sluice-submit", "Runs an application of a module, here or on a cluster.",
              "sluice-submit [flags] MODULE.so [arguments of the application]\n"
              "       sluice-submit --master sluice://HOST:PORT --status ID | --kill ID",
              SLUICE_VERSION) {}

  int main(int argc, char** argv) {
    if (argc == 3 && (std::string(argv[1]) == "--help" || std::string(argv[1]) == "-h")) {
      if (std::string(argv[2]) != "conf") return line_.fail(kExitUsage, std::string("there is no help on '") + argv[2] + "'; --help conf lists the settings");
      std::fputs(Settings::help().c_str(), stdout);
      return kExitOk;
    }
    declare(line_.app(), flags_);
    if (auto code = line_.parse(argc, argv)) return *code;
    words_ = line_.app().remaining();
    if (auto code = readSettings()) return *code;
    if (!flags_.status.empty() || !flags_.kill.empty()) return askAfter();
    if (words_.empty()) return line_.fail(kExitUsage, "which module? give the path of the application's shared library; sluice-submit --help says more");
    if (words_[0].size() > 1 && words_[0][0] == '-') return unknownFlag();
    return deployMode_ == "cluster" ? submit() : run();
  }

 private:
  int unknownFlag() {
    std::string flag = words_[0].substr(0, words_[0].find('='));
    for (const auto& [name, instead] : kForeign) {
      if (flag == name) return line_.fail(kExitUsage, flag + " has no meaning here: " + instead);
    }
    return line_.unexpected({words_[0]});
  }

  std::optional<int> set(const ConfKey& key, const std::string& value, const char* flag) {
    if (value.empty()) return std::nullopt;
    auto status = settings_.set(key.name, value, ConfOrigin::kFlag, flag);
    if (status.ok()) return std::nullopt;
    return line_.fail(kExitUsage, text(status));
  }

  // The driver may begin in another directory.
  static std::string absolutePaths(const std::vector<std::string>& paths) {
    std::string all;
    for (const auto& path : paths) {
      std::error_code error;
      all += (all.empty() ? "" : ",") + std::filesystem::absolute(path, error).lexically_normal().string();
    }
    return all;
  }

  std::optional<int> readSettings() {
    if (auto status = sluice::readSettings(flags_.properties, settings_); !status.ok()) return line_.fail(kExitUsage, text(status));
    for (const auto& pair : flags_.conf) {
      if (auto status = settings_.setPair(pair, ConfOrigin::kFlag, "--conf"); !status.ok()) return line_.fail(kExitUsage, text(status));
    }
    if (auto code = set(conf::kMaster.entry, flags_.master, "--master")) return code;
    if (auto code = set(conf::kDeployMode.entry, flags_.deployMode, "--deploy-mode")) return code;
    if (auto code = set(conf::kAppName.entry, flags_.name, "--name")) return code;
    if (auto code = set(conf::kExecutorMemory.entry, flags_.executorMemory, "--executor-memory")) return code;
    if (auto code = set(conf::kExecutorCores.entry, flags_.executorCores, "--executor-cores")) return code;
    if (auto code = set(conf::kCoresMax.entry, flags_.totalCores, "--total-executor-cores")) return code;
    if (auto code = set(conf::kArchives.entry, absolutePaths(flags_.archives), "--archives")) return code;
    if (!settings_.isSet(conf::kMaster.entry.name)) (void)settings_.set(conf::kMaster.entry.name, "local[*]", ConfOrigin::kEnvironment);
    if (auto status = parseMasterUrl(settings_.get(conf::kMaster), url_); !status.ok()) return line_.fail(kExitUsage, text(status));
    deployMode_ = settings_.get(conf::kDeployMode);
    if (deployMode_ != "client" && deployMode_ != "cluster") {
      return line_.fail(kExitUsage, "--deploy-mode is client or cluster, not '" + deployMode_ + "'");
    }
    bool remote = url_.kind == MasterUrl::Kind::kRemote;
    if ((deployMode_ == "cluster" || !flags_.status.empty() || !flags_.kill.empty()) && !remote) {
      std::string flag = !flags_.status.empty() ? "--status" : !flags_.kill.empty() ? "--kill" : "--deploy-mode cluster";
      return line_.fail(kExitUsage, flag + " needs a cluster: name it with --master sluice://HOST:PORT");
    }
    if (flags_.supervise && deployMode_ != "cluster" && flags_.driver == 0) return line_.fail(kExitUsage, "--supervise needs --deploy-mode cluster");
    return std::nullopt;
  }

  std::vector<std::string> archives() const { return absl::StrSplit(settings_.get(conf::kArchives), ',', absl::SkipEmpty()); }
  static std::string fileOf(const std::string& archive) { return archive.substr(0, archive.rfind('#')); }

  // The driver's machine has them with the package, under the names of their files.
  std::optional<int> takeShippedArchives() {
    std::string all;
    for (const auto& archive : archives()) {
      std::string file = fileOf(archive), alias = archive.substr(file.size());
      for (const auto& shipped : flags_.files) {
        if (std::filesystem::path(shipped).filename() == std::filesystem::path(file).filename()) file = shipped;
      }
      all += (all.empty() ? "" : ",") + file + alias;
    }
    return set(conf::kArchives.entry, all, "--archives");
  }

  // The package's files, in a place where nobody changes them; the module first.
  std::optional<int> takePackage() {
    std::vector<std::string> paths = {words_[0]};
    paths.insert(paths.end(), flags_.files.begin(), flags_.files.end());
    if (auto status = checkModuleFile(paths[0]); !status.ok()) return line_.fail(kExitUsage, text(status));
    if (flags_.driver != 0) {  // the worker has it by its content
      files_ = paths;
      return takeShippedArchives();
    }
    if (deployMode_ == "cluster") {
      for (const auto& archive : archives()) {
        if (std::find(paths.begin(), paths.end(), fileOf(archive)) == paths.end()) paths.push_back(fileOf(archive));
      }
    }
    PackageStore store(flags_.workDirectory.empty() ? cacheDirectory() : flags_.workDirectory);
    proto::Package package;
    std::string module;
    auto status = store.add(paths, package);
    if (status.ok()) status = store.assemble(package, module);
    if (!status.ok()) return line_.fail(kExitUsage, text(status));
    for (int i = 0; i < package.images_size(); ++i) files_.push_back(store.imagePath(package, i));
    return std::nullopt;
  }

  std::optional<int> findApplication(const ApplicationEntry*& entry) {
    std::vector<std::string> libraries = {files_[0]};
    for (std::size_t i = 1; i < files_.size(); ++i) {
      if (isLibraryFile(files_[i])) libraries.push_back(files_[i]);
    }
    auto& here = launch();
    if (auto status = ImageTable::load(libraries, here.images); !status.ok()) return line_.fail(kExitUsage, text(status));
    if (auto status = sluice::findApplication(*here.images, flags_.className, entry); !status.ok()) return line_.fail(kExitUsage, text(status));
    if (!settings_.isSet(conf::kAppName.entry.name)) (void)settings_.set(conf::kAppName.entry.name, entry->name, ConfOrigin::kEnvironment);
    return std::nullopt;
  }

  int run() {
    const ApplicationEntry* entry = nullptr;
    if (auto code = takePackage()) return *code;
    if (auto code = findApplication(entry)) return *code;
    if (flags_.verbose) explain(entry->name);
    auto& here = launch();
    here.settings = settings_;
    here.files = files_;
    here.className = entry->name;
    here.args.assign(words_.begin() + 1, words_.end());
    here.driver = flags_.driver;
    here.supervise = flags_.supervise;
    if (flags_.driver != 0) watchLifeline([] { ::_exit(kExitFailed); });  // the worker is gone
    return runApplication(*entry, here.args);
  }

  // The class is looked up here, so that a wrong one is told at once.
  int submit() {
    const ApplicationEntry* entry = nullptr;
    if (auto code = takePackage()) return *code;
    if (auto code = findApplication(entry)) return *code;
    if (flags_.verbose) explain(entry->name);
    for (const auto& warning : settings_.warnings()) std::fprintf(stderr, "sluice-submit: %s\n", warning.c_str());
    std::random_device random;
    std::uint64_t nonce = std::uint64_t(random()) << 32 | random();
    MasterQuestion question;
    question.settings = settings_;
    question.addresses = url_.addresses;
    question.files = files_;
    question.className = entry->name;
    question.complete = [&](const proto::Package& package, proto::Message& message) {
      auto* submit = message.mutable_submit();
      submit->set_nonce(nonce);
      submit->set_name(settings_.get(conf::kAppName));
      for (const auto& pair : settings_.travelling()) submit->add_conf(pair);
      *submit->mutable_package() = package;
      for (std::size_t i = 1; i < words_.size(); ++i) submit->add_args(words_[i]);
      submit->set_cluster_mode(true);
      submit->set_supervise(flags_.supervise);
    };
    question.answers = [&](const proto::Message& answer) { return answer.has_submitted() && answer.submitted().nonce() == nonce; };
    EnvelopePtr answer;
    if (auto code = ask(question, answer)) return *code;
    const auto& submitted = answer->message.submitted();
    if (!submitted.error().empty()) return line_.fail(kExitFailed, submitted.error());
    std::printf("%s\n", submitted.driver_id().c_str());
    std::fflush(stdout);
    return settings_.get(conf::kWaitAppCompletion) ? waitFor(submitted.driver_id()) : kExitOk;
  }

  // The master answers once the driver has ended.
  int waitFor(const std::string& id) {
    EnvelopePtr answer;
    if (auto code = askStatus(id, Ask::kWhenOver, answer)) return *code;
    const auto& reply = answer->message.status_reply();
    if (reply.state() == "FINISHED") return kExitOk;
    return line_.fail(kExitFailed, id + " " + reply.state() + (reply.detail().empty() ? "" : ": " + reply.detail()));
  }

  int askAfter() {
    bool kill = !flags_.kill.empty();
    EnvelopePtr answer;
    std::string id = kill ? flags_.kill : flags_.status;
    if (auto code = askStatus(id, kill ? Ask::kKill : Ask::kNow, answer)) return *code;
    const auto& reply = answer->message.status_reply();
    std::printf("%s %s%s\n", id.c_str(), reply.state().c_str(), reply.detail().empty() ? "" : (" " + reply.detail()).c_str());
    return kExitOk;
  }

  enum class Ask { kNow, kWhenOver, kKill };
  std::optional<int> askStatus(const std::string& id, Ask what, EnvelopePtr& answer) {
    MasterQuestion question;
    question.settings = settings_;
    question.addresses = url_.addresses;
    question.complete = [&](const proto::Package&, proto::Message& message) {
      if (what == Ask::kKill) return message.mutable_kill()->set_id(id);
      message.mutable_status()->set_id(id), message.mutable_status()->set_when_over(what == Ask::kWhenOver);
    };
    question.answers = [&](const proto::Message& message) { return message.has_status_reply() && message.status_reply().id() == id; };
    if (auto code = ask(question, answer)) return code;
    if (answer->message.status_reply().found()) return std::nullopt;
    return line_.fail(kExitNotFound, "the master knows no submission " + id);
  }

  std::optional<int> ask(const MasterQuestion& question, EnvelopePtr& answer) {
    void* entry = nullptr;
    absl::Status status = ownSymbol("libsluice_cluster.so", "sluice_ask_master", entry);
    if (status.ok()) reinterpret_cast<void (*)(const MasterQuestion&, EnvelopePtr*, absl::Status*)>(entry)(question, &answer, &status);
    if (status.ok()) return std::nullopt;
    return line_.fail(status.code() == absl::StatusCode::kUnavailable ? kExitUnreachable : kExitFailed, text(status));
  }

  void explain(const char* name) const {
    std::fprintf(stderr, "class: %s\nmodule: %s\n", name, files_[0].c_str());
    for (std::size_t i = 1; i < words_.size(); ++i) std::fprintf(stderr, "argument %zu: %s\n", i, settings_.shown(words_[i]).c_str());
    for (const auto& [key, value] : settings_.shown()) std::fprintf(stderr, "%s=%s\n", key.c_str(), value.c_str());
  }

  CommandLine line_;
  Flags flags_;
  Settings settings_;
  MasterUrl url_;
  std::string deployMode_;
  std::vector<std::string> words_, files_;
};

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) { return sluice::Submit().main(argc, argv); }
