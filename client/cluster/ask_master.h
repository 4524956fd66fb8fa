// One question to a master by a program that is no driver: its end of --status, --kill and --deploy-mode cluster.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/conf.h"
#include "common/envelope.h"

namespace sluice {

// Brings the files of a package to the master first, if there are any; `complete` then sees the package before the question leaves.
struct MasterQuestion {
  Settings settings;  // of the asker
  std::vector<std::string> addresses;
  std::vector<std::string> files;
  std::string className;
  std::function<void(const proto::Package& package, proto::Message& question)> complete;
  std::function<bool(const proto::Message& answer)> answers;  // whether this is the answer
};

// Waits for the answer. kUnavailable: no master answers, in one line.
absl::Status askMaster(const MasterQuestion& question, EnvelopePtr& answer);

}  // namespace sluice
