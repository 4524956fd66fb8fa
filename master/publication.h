// Makes the staged files of a decided batch or job visible: parts where their executors can rename them, then one marker per directory.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "proto/link.pb.h"

namespace sluice::master {

struct Publication {
  struct File {
    std::uint32_t output = 0, partition = 0;
    std::string staged, final;
    std::shared_ptr<proto::Publish::Rolling> rolling;  // set: parts to be appended, and no names of their own
    std::uint32_t at = 0;  // executor, by index
    std::uint32_t parts = 0;  // of a marker: of its directory, with this extension
    std::string extension;
    bool marker = false, sent = false, done = false;
    std::uint32_t tries = 0;
  };
  proto::InstanceId instance;
  std::uint64_t after = 0;  // journal sequence of the decision
  std::vector<File> files;
  std::string error;

  bool done() const {
    for (const auto& file : files) {
      if (!file.done) return false;
    }
    return true;
  }
};

}  // namespace sluice::master
