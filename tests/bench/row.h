// A row of the budget table: what is measured, what must be reached and what is aimed at.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sluice::bench {

// Median of the rounds with the lowest and the highest.
struct Spread {
  double median = 0, low = 0, high = 0;
};
Spread spreadOf(std::vector<double> values);

// A bound on a figure. Some bounds are made of what was measured in the same run (5 pings and 2 synced writes): `as` says how.
struct Bound {
  double value = 0;
  std::string as;
};

struct Settings {
  bool full = false;    // acceptance sizes; otherwise long rows are shortened and say so
  int rounds = 9;       // of each interleaved comparison
  std::string scratch;  // directory for files of this run
};

// Nothing is asked of the row; it is there to be watched.
inline const Bound kNoBound{0, "none"};

// What came of a row.
struct Outcome {
  Spread figure;
  Bound must, aim;
  bool shortened = false;
  std::string absent;  // not measured, and why ("not yet: ...")
  std::vector<std::string> notes;  // absolute figures behind a ratio, load, sizes; one line each
};

// One row. Rows are made once by allRows() and used by one thread.
class Row {
 public:
  enum class Better { kHigher, kLower };
  Row(std::string name, std::string what, Better better, std::string unit)
      : name_(std::move(name)), what_(std::move(what)), better_(better), unit_(std::move(unit)) {}
  virtual ~Row() = default;
  // Measures. An exception is a row that failed; its text is printed.
  virtual Outcome run(const Settings& settings) = 0;

  const std::string& name() const { return name_; }  // for --row
  const std::string& what() const { return what_; }  // in the words of the budget
  Better better() const { return better_; }
  const std::string& unit() const { return unit_; }
  bool meets(const Outcome& outcome, const Bound& bound) const {
    return better_ == Better::kHigher ? outcome.figure.median >= bound.value : outcome.figure.median <= bound.value;
  }

 private:
  std::string name_, what_;
  Better better_;
  std::string unit_;
};

// In the order of the budget table; tests/bench/rows/.
std::vector<std::unique_ptr<Row>> allRows();

// Runs a and b in turn: one uncounted round, then `rounds`. Gives a's seconds, b's seconds and each round's ratio a / b.
struct Comparison {
  Spread a, b, ratio;
};
Comparison interleave(int rounds, const std::function<double()>& a, const std::function<double()>& b);

// Seconds on the monotonic clock.
double now();
// Seconds that `work` takes.
double timed(const std::function<void()>& work);

}  // namespace sluice::bench
