#include "sluice/testing/batch.h"

namespace sluice::testing {
namespace detail {
namespace {

constexpr std::size_t kShownRecords = 20;

void addList(std::string& text, const ShownPart& records, const char*& between, std::size_t& left) {
  for (const auto& record : records) {
    if (left == 0) return;
    text += between + record.text;
    between = ", ";
    --left;
  }
}

std::string listed(const ShownPart& records) {
  std::string text;
  const char* between = "";
  std::size_t left = kShownRecords;
  addList(text, records, between, left);
  if (records.size() > kShownRecords) text += " and " + std::to_string(records.size() - kShownRecords) + " more";
  return text;
}

ShownPart all(const ShownBatch& batch) {
  ShownPart records;
  for (const auto& part : batch.parts) records.insert(records.end(), part.begin(), part.end());
  return records;
}

ShownPart sorted(ShownPart records) {
  std::stable_sort(records.begin(), records.end(), [](const Shown& a, const Shown& b) { return a.row < b.row; });
  return records;
}

bool sameRecords(const ShownPart& got, const ShownPart& want, bool ordered) {
  auto rows = [](const Shown& a, const Shown& b) { return a.row == b.row; };
  if (ordered) return std::equal(got.begin(), got.end(), want.begin(), want.end(), rows);
  ShownPart a = sorted(got), b = sorted(want);
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), rows);
}

// The records of `from` that `other` has not.
ShownPart without(const ShownPart& from, const ShownPart& other) {
  ShownPart a = sorted(from), b = sorted(other), left;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(left), [](const Shown& x, const Shown& y) { return x.row < y.row; });
  return left;
}

// In one line, what to look for.
std::string hint(const ShownBatch& got, const ShownBatch& want, bool ordered) {
  if (got.noRdd || want.noRdd) return "";
  ShownPart have = all(got), wanted = all(want);
  ShownPart missing = without(wanted, have), extra = without(have, wanted);
  std::string text;
  if (!missing.empty()) text += "missing " + listed(missing);
  if (!extra.empty()) text += (text.empty() ? "" : "; ") + std::string("unexpected ") + listed(extra);
  if (text.empty()) text = want.byPartition && !(ordered && sameRecords(have, wanted, false)) ? "the same records in other partitions" : "the same records in another order";
  return text;
}

}  // namespace

std::string show(const ShownBatch& batch) {
  if (batch.noRdd) return "no RDD";
  std::string text = "{";
  const char* between = "";
  std::size_t left = kShownRecords, records = 0;
  for (std::size_t p = 0; p < batch.parts.size(); ++p) {
    if (batch.byPartition && p != 0) text += " |", between = " ";
    addList(text, batch.parts[p], between, left);
    records += batch.parts[p].size();
  }
  if (records > kShownRecords) text += ", and " + std::to_string(records - kShownRecords) + " more";
  return text + "}";
}

bool same(const ShownBatch& got, const ShownBatch& want, bool ordered) {
  if (got.noRdd || want.noRdd) return got.noRdd == want.noRdd;
  if (!want.byPartition) return sameRecords(all(got), all(want), ordered);
  if (got.parts.size() != want.parts.size()) return false;
  for (std::size_t i = 0; i < got.parts.size(); ++i) {
    if (!sameRecords(got.parts[i], want.parts[i], ordered)) return false;
  }
  return true;
}

std::string difference(const std::vector<ShownBatch>& got, const std::vector<ShownBatch>& want, bool ordered) {
  std::string text;
  for (std::size_t i = 0; i < std::max(got.size(), want.size()); ++i) {
    bool has = i < got.size(), expects = i < want.size();
    if (has && expects && same(got[i], want[i], ordered)) continue;
    ShownBatch found = has ? got[i] : ShownBatch{};
    if (expects) found.byPartition = want[i].byPartition;  // partitions are shown where they were asked for
    text += "\n  batch " + std::to_string(i + 1) + " of " + std::to_string(want.size()) + "\n    expected " + (expects ? show(want[i]) : "none") +
            "\n    got      " + (has ? show(found) : "none");
    if (std::string what = has && expects ? hint(got[i], want[i], ordered) : ""; !what.empty()) text += "\n    " + what;
  }
  return text;
}

}  // namespace detail

void fail(const std::string& what, CallSite at) {
  throw Error(ErrorKind::kIllegalState, std::string(at.file) + ":" + std::to_string(at.line) + ": " + what);
}

}  // namespace sluice::testing
