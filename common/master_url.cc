#include "common/master_url.h"

#include <charconv>
#include <thread>


namespace sluice {
namespace {

absl::Status malformed(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError("master '" + std::string(text) + "': " + std::string(why) +
                                    "; write local[N], local[N,F], local[*], local-cluster[n,cores,memoryMb] or sluice://HOST:PORT");
}

// A whole positive number without sign or blanks around it.
bool parseCount(std::string_view text, int& value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value > 0;
}

std::vector<std::string_view> pieces(std::string_view text, char at) {
  std::vector<std::string_view> found;
  for (;;) {
    auto end = text.find(at);
    std::string_view piece = text.substr(0, end);
    while (!piece.empty() && piece.front() == ' ') piece.remove_prefix(1);
    while (!piece.empty() && piece.back() == ' ') piece.remove_suffix(1);
    found.push_back(piece);
    if (end == std::string_view::npos) return found;
    text.remove_prefix(end + 1);
  }
}

// "prefix[a,b]" -> {a, b}; nothing if it has another form.
std::vector<std::string_view> bracketed(std::string_view text, std::string_view prefix) {
  if (text.size() < prefix.size() + 2 || text.substr(0, prefix.size()) != prefix || text[prefix.size()] != '[' || text.back() != ']') return {};
  return pieces(text.substr(prefix.size() + 1, text.size() - prefix.size() - 2), ',');
}

bool parseSlots(std::string_view text, int& slots) {
  if (text != "*") return parseCount(text, slots);
  slots = int(std::thread::hardware_concurrency());
  if (slots < 1) slots = 1;
  return true;
}

absl::Status parseAddress(std::string_view whole, std::string_view address, MasterUrl& url) {
  auto colon = address.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return malformed(whole, "a host and a port are needed, as in sluice://HOST:7077");
  int port = 0;
  if (!parseCount(address.substr(colon + 1), port) || port > 65535) return malformed(whole, "the port is no number from 1 to 65535");
  if (address.find_first_of("/?# @") != std::string_view::npos) return malformed(whole, "nothing may follow the port");
  url.addresses.emplace_back(address);
  return absl::OkStatus();
}

}  // namespace

absl::Status parseMasterUrl(std::string_view text, MasterUrl& url) {
  url = {};
  if (text == "local") return absl::OkStatus();
  if (auto parts = bracketed(text, "local"); !parts.empty()) {
    if (parts.size() > 2 || !parseSlots(parts[0], url.slots)) return malformed(text, "the number of slots is a number above 0, or *");
    if (parts.size() == 2 && !parseCount(parts[1], url.failures)) return malformed(text, "the number of tries is a number above 0");
    return absl::OkStatus();
  }
  if (auto parts = bracketed(text, "local-cluster"); !parts.empty()) {
    url.kind = MasterUrl::Kind::kLocalCluster;
    if (parts.size() != 3 || !parseCount(parts[0], url.workers) || !parseCount(parts[1], url.slots) || !parseCount(parts[2], url.memoryMb)) {
      return malformed(text, "a local cluster has three numbers above 0: workers, cores of each, megabytes of each");
    }
    return absl::OkStatus();
  }
  constexpr std::string_view kScheme = "sluice://";
  if (text.substr(0, kScheme.size()) == kScheme) {
    url.kind = MasterUrl::Kind::kRemote;
    for (std::string_view address : pieces(text.substr(kScheme.size()), ',')) {
      if (auto status = parseAddress(text, address, url); !status.ok()) return status;
    }
    return absl::OkStatus();
  }
  if (text.empty()) return malformed(text, "no master is named (setMaster, --master or sluice.master)");
  if (text.substr(0, 8) == "spark://") return malformed(text, "this is Sluice, its clusters are named sluice://HOST:PORT");
  return malformed(text, "no such kind of master");
}

}  // namespace sluice
