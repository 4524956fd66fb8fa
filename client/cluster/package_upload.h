// Brings the files of an application's package to the master, in pieces, at the begin of each session. The master says how far it has
// each file, so what it holds already costs one question.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/link.h"
#include "proto/plan.pb.h"

namespace sluice {

// On the link's strand but for open().
class PackageUpload {
 public:
  // Reads what the files are. The module, or the executable itself, first.
  absl::Status open(const std::vector<std::string>& paths, bool executable, const std::string& className);
  const proto::Package& package() const { return package_; }

  // A session is new: asks for every file.
  void begin(Link& link);
  // The master's answer; sends the next piece. True: everything is there now (told once in a session).
  bool onHave(Link& link, const proto::Have& have);
  // Why the master cannot keep the package; empty: it can.
  const std::string& error() const { return error_; }

 private:
  void sendPiece(Link& link, std::size_t file, std::uint64_t offset, bool ask);

  std::vector<std::string> paths_;
  proto::Package package_;
  std::vector<bool> there_;
  bool told_ = true;
  std::string error_;
};

}  // namespace sluice
