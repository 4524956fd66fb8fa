#include <sluice/streaming.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <memory>
#include <stdexcept>

#include "tcp_server.h"

namespace {

// The file's lines, again and again until they have so many bytes, as one block that rawSocketStream<std::string> reads.
std::string blockOf(const std::string& file, long bytes) {
  std::ifstream in(file);
  std::vector<std::string> lines, records;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  if (lines.empty()) throw std::runtime_error(file + " cannot be read, or has no line");
  for (long have = 0; have < bytes; have += long(records.back().size()) + 1) records.push_back(lines[records.size() % lines.size()]);
  return sluice::rawBlock(records);
}

// Sends no more than so many bytes a second, in pieces of a twentieth of a second.
class RateLimited {
 public:
  RateLimited(examples::Client& client, long bytesPerSecond)
      : client_(client), piece_(std::size_t(std::max(bytesPerSecond / kPieces, 1L))), pause_(std::chrono::nanoseconds(1'000'000'000 * long(piece_) / bytesPerSecond)) {}
  bool send(std::string_view bytes) {
    for (; !bytes.empty(); bytes.remove_prefix(std::min(piece_, bytes.size()))) {
      if (!client_.send(bytes.substr(0, piece_))) return false;
      auto now = std::chrono::steady_clock::now();
      next_ = std::max(next_, now - pause_) + pause_ * long(std::min(piece_, bytes.size())) / long(piece_);
      std::this_thread::sleep_until(next_);
    }
    return true;
  }

 private:
  static constexpr long kPieces = 20;
  examples::Client& client_;
  const std::size_t piece_;
  const std::chrono::nanoseconds pause_;  // after each piece
  std::chrono::steady_clock::time_point next_ = std::chrono::steady_clock::now();
};

}  // namespace

// Sends blocks of a file's lines to whoever connects, for RawNetworkGrep: RawTextSender PORT FILE BLOCK-SIZE BYTES-PER-SECOND [ADDRESS]
SLUICE_APPLICATION(RawTextSender) {
  long blockSize = args.number(2), rate = args.number(3);
  if (blockSize <= 0 || rate <= 0) throw std::runtime_error("the block size and the bytes per second must be above 0");
  auto block = std::make_shared<const std::string>(blockOf(args.at(1), blockSize));
  examples::TcpServer(args.number(0), args.get(4, "127.0.0.1")).serve([block, rate](examples::Client& client) {
    RateLimited out(client, rate);
    while (out.send(*block)) {
    }
  });
}
