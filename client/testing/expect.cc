#include "sluice/testing/expect.h"

namespace sluice::testing {

const char* nameOf(Midway midway) {
  switch (midway) {
    case Midway::kNothing: return "nothing midway";
    case Midway::kExecutorLoss: return "an executor lost midway";
    case Midway::kMasterRestart: return "master restarted midway";
    case Midway::kRestore: return "restored midway";
  }
  return "?";
}

namespace detail {

bool canHave(Shape shape, Midway midway) {
  switch (midway) {
    case Midway::kExecutorLoss: return shape != Shape::kLocal1 && shape != Shape::kLocal4;  // nobody would be left
    case Midway::kMasterRestart: return shape == Shape::kSimulated;
    default: return true;
  }
}

void everywhere(const How& how, CallSite at, const std::function<void(Shape, Midway, const std::string&)>& body) {
  bool any = false;
  for (Shape shape : how.shapes) {
    for (Midway midway : how.midway) {
      if (!canHave(shape, midway)) continue;
      any = true;
      std::string where = std::string(nameOf(shape)) + ", " + nameOf(midway);
      try {
        body(shape, midway, where);
      } catch (const Error& error) {
        std::string what = error.what();
        if (what.find(where) != std::string::npos) throw;
        throw Error(error.kind(), std::string(at.file) + ":" + std::to_string(at.line) + ": on " + where + ": " + what);
      }
    }
  }
  if (!any) fail("nothing was run: none of the shapes can have any of what happens midway", at);
}

}  // namespace detail
}  // namespace sluice::testing
