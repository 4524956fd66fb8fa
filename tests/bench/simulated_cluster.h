// Workers and executors that are only messages, over the real link, around a real sluice-master: what the master's process spends.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

namespace sluice::bench {

// Owns the sessions of `executors` workers, each with one executor of two slots, and of one driver. One thread uses it.
class SimulatedCluster {
 public:
  // Connects to the master at this URL and submits an application; returns when all executors have reported. Throws std::runtime_error.
  SimulatedCluster(const std::string& url, std::uint32_t executors);
  ~SimulatedCluster();
  // Runs a job of three stages, one task a slot in each, and returns when it is done.
  void run();

 private:
  class Host;
  class Body;
  std::unique_ptr<Body> body_;
};

}  // namespace sluice::bench
