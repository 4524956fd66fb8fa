#include "tests/bench/daemons.h"

#include <filesystem>

namespace sluice::bench {

Daemons::Daemons(const std::string& scratch, int workers, int cores, const std::string& memory) {
  std::string directory = scratch + "/daemons";
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);
  std::string errors = directory + "/stderr.txt";
  master_ = std::make_unique<Child>(
      std::vector<std::string>{builtBinary("sluice-master"), "--host", "127.0.0.1", "--port", "0", "--webui-port", "0", "--work-dir", directory + "/master"},
      errors);
  std::string line = master_->waitForLine("sluice://", 20);
  url_ = line.substr(line.find("sluice://"));
  for (int i = 0; i < workers; ++i)
    workers_.push_back(std::make_unique<Child>(
        std::vector<std::string>{builtBinary("sluice-worker"), "--host", "127.0.0.1", "--cores", std::to_string(cores), "--memory", memory, "--webui-port", "0",
                                 "--work-dir", directory + "/worker-" + std::to_string(i + 1), url_},
        errors));
  for (const auto& worker : workers_) worker->waitForLine("registered", 20);
}

std::vector<pid_t> Daemons::executors() const {
  std::vector<pid_t> found;
  for (const auto& worker : workers_)
    for (pid_t child : childrenOf(worker->pid())) found.push_back(child);
  return found;
}

}  // namespace sluice::bench
