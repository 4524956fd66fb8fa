// The pure half of rolling files: their record as text, and the decisions.
#include <xxhash.h>

#include <charconv>
#include <cstdio>
#include <utility>

#include "worker/executor/rolling_files.h"

namespace sluice::executor {

namespace {

constexpr std::string_view kFirstLine = "sluice rolling 1";
constexpr std::int64_t kMostNumber = std::int64_t(1) << 60;

std::string checksumLine(std::string_view text) {
  char line[32];
  std::snprintf(line, sizeof(line), "checksum %016llx\n", static_cast<unsigned long long>(XXH3_64bits(text.data(), text.size())));
  return line;
}

// "word rest" -> rest, if the line begins with the word.
bool takeWord(std::string_view& line, std::string_view word) {
  if (!line.starts_with(word) || line.size() <= word.size() || line[word.size()] != ' ') return false;
  line.remove_prefix(word.size() + 1);
  return true;
}

// Sizes and times: neither is below zero, nor near where sums of them would overflow.
bool takeNumber(std::string_view& line, std::int64_t& number) {
  auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number);
  if (error != std::errc() || number < 0 || number > kMostNumber) return false;
  line.remove_prefix(std::size_t(end - line.data()));
  if (line.starts_with(' ')) line.remove_prefix(1);
  return true;
}

// A file in the directory itself.
bool isName(std::string_view file) { return file.starts_with("part-") && file.find('/') == std::string_view::npos; }

}  // namespace

std::string RollingRecord::text() const {
  std::string text(kFirstLine);
  text += "\nowner " + owner + "\nbegun " + std::to_string(begunMs) + "\n";
  for (const auto& [whenMs, mark] : marks) {
    text += "batch " + std::to_string(whenMs) + " " + std::to_string(mark.firstMs) + " " + std::to_string(mark.bytes) + " " +
            (mark.file.empty() ? "-" : mark.file) + "\n";
  }
  for (const std::string& file : finished) text += "finished " + file + "\n";
  return text + checksumLine(text);
}

absl::Status RollingRecord::parse(std::string_view text, RollingRecord& into) {
  auto damaged = [] { return absl::DataLossError("is damaged"); };
  std::size_t last = text.rfind("checksum ");
  if (!text.starts_with("sluice rolling ")) return absl::DataLossError("is none of ours");
  if (!text.starts_with(std::string(kFirstLine) + "\n")) return absl::DataLossError("was written by another version of Sluice");
  if (last == std::string_view::npos || text.substr(last) != checksumLine(text.substr(0, last))) return damaged();
  RollingRecord record;
  text = text.substr(kFirstLine.size() + 1, last - kFirstLine.size() - 1);
  while (!text.empty()) {
    std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return damaged();
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    std::int64_t whenMs = 0;
    Mark mark;
    if (takeWord(line, "owner")) record.owner = line;
    else if (takeWord(line, "finished") && isName(line)) record.finished.emplace_back(line);
    else if (takeWord(line, "begun") && takeNumber(line, record.begunMs)) continue;
    else if (takeWord(line, "batch") && takeNumber(line, whenMs) && takeNumber(line, mark.firstMs) && takeNumber(line, mark.bytes) &&
             (line == "-" || isName(line))) {
      if (line != "-") mark.file = line;
      record.marks[whenMs] = std::move(mark);
    } else {
      return damaged();
    }
  }
  into = std::move(record);
  return absl::OkStatus();
}

RollingPlan planRolling(const RollingRecord::Mark& open, const proto::Publish::Rolling& rolling, std::int64_t whenMs,
                        const std::vector<std::int64_t>& partBytes) {
  RollingPlan plan;
  plan.open = open;
  auto roll = [&] {
    if (plan.open.file.empty()) return;
    plan.finished.push_back(plan.open.file);
    plan.open = {};
  };
  if (whenMs - open.firstMs >= rolling.roll_age_ms()) roll();
  int begun = 0;
  for (std::size_t part = 0; part < partBytes.size(); ++part) {
    if (partBytes[part] == 0) continue;
    if (plan.open.bytes + partBytes[part] > rolling.roll_bytes()) roll();
    if (plan.open.file.empty()) {
      char number[16];
      std::snprintf(number, sizeof(number), "%03d", begun++);
      plan.open = {"part-" + std::to_string(whenMs) + "-" + number + rolling.extension(), whenMs, 0};
    }
    plan.pieces.push_back({part, plan.open.file});
    plan.open.bytes += partBytes[part];
  }
  if (rolling.finish()) roll();
  return plan;
}

}  // namespace sluice::executor
