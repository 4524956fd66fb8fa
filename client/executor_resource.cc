#include "sluice/executor_resource.h"

#include <string>

#include "common/thrown.h"
#include "sluice/error.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {
namespace {
std::string named(std::string_view key) { return "executorResource '" + std::string(key) + "': "; }
}  // namespace

ResourceHost& resourceHost(std::string_view key) {
  TaskContext* task = currentTask();
  ResourceHost* host = task ? task->resourceHost() : nullptr;
  if (!host) throwError(ErrorKind::kIllegalState, named(key) + "executors keep resources, and no task runs on this thread; call it in a function that runs in tasks");
  return *host;
}

void throwNotMade(std::string_view key) {
  try {
    throw;
  } catch (const Error& error) {
    throwError(error.kind(), named(key) + error.what());
  } catch (const std::exception& error) {
    throwError(ErrorKind::kUserCode, named(key) + "it could not be made: " + wordsOf(error));
  } catch (...) {
    throwError(ErrorKind::kUserCode, named(key) + "it could not be made: its function threw something that is no std::exception");
  }
}

void throwMadeNothing() { throwError(ErrorKind::kUserCode, "its function gave a null pointer"); }

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
