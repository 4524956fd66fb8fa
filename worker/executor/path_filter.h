// The application's own choice of files: the function that it gave to a file stream, asked on the thread that lists directories.
#pragma once
#include <string_view>
#include <vector>

#include "sluice/operator.h"
#include "worker/executor/planner.h"

namespace sluice::executor {

// The files whose paths the step operator (over std::string_view) lets pass, in their order. Lets pass what it throws.
SLUICE_INTERNAL std::vector<FileFacts> filterFiles(const OpDesc& filter, std::string_view captures, std::vector<FileFacts> files);

}  // namespace sluice::executor
