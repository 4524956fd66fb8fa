// Key functions of the seam's classes: their type information lives here, once.
#include "sluice/barrier_host.h"
#include "sluice/error.h"
#include "sluice/operator.h"
#include "sluice/receiver_base.h"
#include "sluice/resource_host.h"

namespace sluice {
inline namespace SLUICE_ABI {

Error::~Error() = default;
Spill::~Spill() = default;
StateStore::~StateStore() = default;
TaskContext::~TaskContext() = default;
const ResourceMap& TaskContext::resources() const {
  static const ResourceMap none;
  return none;
}
TaskContext* TaskContext::get() { return currentTask(); }
TaskListener::~TaskListener() = default;
Cursor::~Cursor() = default;
Operator::~Operator() = default;
BlockSink::~BlockSink() = default;
ReceiverBase::~ReceiverBase() = default;
ResourceHost::~ResourceHost() = default;
BarrierHost::~BarrierHost() = default;

void throwError(ErrorKind kind, std::string_view what) { throw Error(kind, std::string(what)); }

}  // inline namespace SLUICE_ABI
}  // namespace sluice
