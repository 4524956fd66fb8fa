// The secret that all processes of a cluster share. Links of those who know it are TLS 1.3, each side proving that it does; everybody else is
// turned away before the first message. No gRPC header is needed to use it.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/conf.h"
#include "sluice/abi.h"

namespace sluice {

// A key pair that follows from the secret, and the certificate that it signs for itself: the same in every process, and the only one that any of
// them trusts.
struct LinkSecret {
  std::string certificate, key;  // PEM
};
using LinkSecretPtr = std::shared_ptr<const LinkSecret>;  // null: links are plain

// By sluice.authenticate and sluice.authenticate.secret.file. Takes some 40 ms, so that guessing is slow. One line for what is wrong: no file is
// named, others can read it, or it holds too little.
SLUICE_INTERNAL absl::Status readLinkSecret(const Settings& settings, LinkSecretPtr& secret);
// What the parent uses: executors.
SLUICE_INTERNAL absl::Status inheritLinkSecret(LinkSecretPtr& secret);
// What children find in their environment: they use what we use, whatever their own settings say.
SLUICE_INTERNAL std::vector<std::pair<std::string, std::string>> environmentOfSecret(const Settings& settings);
// Deterministic; for readLinkSecret, and tests.
SLUICE_INTERNAL LinkSecretPtr linkSecretOf(std::string_view text);

}  // namespace sluice
