// Lines: text as a socket brings it, in pieces of any size, cut into blocks and into lines; compared with a plain split.
#include <vector>

#include "sluice/split.h"
#include "tests/fuzz/fuzz.h"
#include "worker/executor/blocks.h"
#include "worker/executor/text_lines.h"

namespace {

using namespace sluice;  // NOLINT
using namespace sluice::executor;  // NOLINT

std::vector<std::string> plain(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    std::size_t end = text.find('\n');
    std::string line(text.substr(0, end));
    if (end != std::string_view::npos && !line.empty() && line.back() == '\r') line.pop_back();
    lines.push_back(std::move(line));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

// As Java's split: no empty pieces at the end.
void checkSplit(std::string_view text, char separator) {
  std::vector<std::string> want, got;
  std::string_view rest = text;
  for (std::size_t end; (end = rest.find(separator)) != rest.npos; rest.remove_prefix(end + 1)) want.emplace_back(rest.substr(0, end));
  want.emplace_back(rest);
  while (!text.empty() && !want.empty() && want.back().empty()) want.pop_back();
  for (std::string_view piece : split(text, separator)) got.emplace_back(piece);
  fuzz::require(got == want, "split gives what a plain one gives");
  fuzz::require(split(std::string(text), separator) == want, "also of a temporary");
}

std::vector<std::string> cut(std::string_view text, std::size_t max, std::size_t maxBytes) {
  std::vector<std::string> lines;
  std::vector<std::string_view> some(max);
  LineCut at{text.data(), text.data() + text.size(), text.data() + text.size(), true};
  while (std::size_t n = cutLines(at, some.data(), max, maxBytes)) {
    for (std::size_t i = 0; i < n; ++i) lines.emplace_back(some[i]);
  }
  fuzz::require(at.at == at.end, "all of the text was cut");
  return lines;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input in(data, size);
  std::size_t max = std::size_t(in.byte()) + 1, maxBytes = std::size_t(in.byte()) * 16 + 1;
  BlockLimits limits;
  limits.textBytes = std::size_t(in.byte()) * 4 + 1;
  limits.lineBytes = limits.textBytes + 64 + in.byte();
  std::uint8_t steps = in.byte();
  std::string_view text = in.rest();

  auto lines = plain(text);
  checkSplit(text, text.empty() ? ' ' : text[text.size() / 2]);
  fuzz::require(cut(text, max, maxBytes) == lines, "lines are what a plain split gives");

  BlockBuilder builder(limits);
  std::string all;
  std::uint64_t told = 0, found = 0;
  bool longLine = false;
  for (const auto& line : lines) longLine |= line.size() + 2 >= limits.lineBytes;
  auto take = [&] {
    for (const auto& block : builder.take()) {
      all += block.bytes.view();
      told += block.rows;
      found += cut(block.bytes.view(), max, maxBytes).size();
      fuzz::require(block.text && !block.bytes.empty(), "no block is empty");
    }
  };
  std::size_t at = 0;
  for (std::size_t step = 0; at < text.size(); ++step) {
    std::size_t n = std::min(text.size() - at, std::size_t(1) + (steps * (step + 1)) % 97), room = 0;
    char* space = builder.textSpace(n, room);
    fuzz::require(room >= n, "there is room for what was asked");
    if (step % 3 == 1) builder.cut();  // the clock cuts while somebody reads
    std::memcpy(space, text.data() + at, n);
    builder.textRead(n);
    at += n;
    if (step % 5 == 0) builder.cut();
    take();
  }
  builder.endText();
  builder.cut();
  take();
  fuzz::require(builder.openBytes() == 0, "nothing is left open");
  std::string whole(text);
  if (!whole.empty() && whole.back() != '\n') whole += '\n';
  // A line that was cut in two at the very end has none.
  fuzz::require(all == whole || (longLine && all == text), "blocks hold the text, in order, and a last line end");
  fuzz::require(told == found, "as many lines as were told");
  if (!longLine) fuzz::require(found == lines.size(), "no line is cut in two");
  return 0;
}
