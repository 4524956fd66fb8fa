#include "tests/bench/table.h"

#include <cmath>
#include <string>

namespace sluice::bench {
namespace {

// Three digits, as many as a figure of this kind is worth.
std::string digits(double value) {
  char text[32];
  double size = std::fabs(value);
  int after = size >= 100 || size == 0 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  std::snprintf(text, sizeof text, "%.*f", after, value);
  return text;
}

std::string bound(const Row& row, const Bound& to) {
  if (to.as == kNoBound.as) return "-";
  std::string sign = row.better() == Row::Better::kHigher ? ">= " : "<= ";
  return sign + digits(to.value) + (to.as.empty() ? "" : " (" + to.as + ")");
}

void line(std::FILE* to, const std::string& name, const std::string& figure, const std::string& must, const std::string& aim,
          const std::string& met) {
  std::fprintf(to, "%-27s %-30s %-22s %-22s %s\n", name.c_str(), figure.c_str(), must.c_str(), aim.c_str(), met.c_str());
  std::fflush(to);
}

}  // namespace

void printHead(std::FILE* to) { line(to, "row", "figure [lowest..highest]", "must", "aim", "met"); }

Verdict printRow(std::FILE* to, const Row& row, const Outcome& outcome) {
  Verdict verdict = Verdict::kAbsent;
  if (!outcome.absent.empty()) {
    line(to, row.name(), outcome.absent, "", "", "-");
  } else {
    bool bounded = outcome.must.as != kNoBound.as;
    verdict = !bounded ? Verdict::kAbsent : row.meets(outcome, outcome.aim) ? Verdict::kAim : row.meets(outcome, outcome.must) ? Verdict::kMust : Verdict::kMissed;
    std::string figure = digits(outcome.figure.median);
    if (!row.unit().empty()) figure += " " + row.unit();
    figure += " [" + digits(outcome.figure.low) + ".." + digits(outcome.figure.high) + "]";
    std::string met = outcome.must.as == kNoBound.as ? "-" : verdict == Verdict::kAim ? "must, aim" : verdict == Verdict::kMust ? "must" : "NOT MET";
    line(to, row.name(), figure, bound(row, outcome.must), bound(row, outcome.aim), met + (outcome.shortened ? " (short)" : ""));
  }
  std::fprintf(to, "    %s\n", row.what().c_str());
  for (const std::string& note : outcome.notes) std::fprintf(to, "    %s\n", note.c_str());
  std::fflush(to);
  return verdict;
}

Verdict printFailure(std::FILE* to, const Row& row, const std::string& why) {
  line(to, row.name(), "failed: " + why, "", "", "NOT MET");
  return Verdict::kFailed;
}

}  // namespace sluice::bench
