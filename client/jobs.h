// Rows of jobs as the typed face reads them.
#pragma once
#include "client/driver.h"
#include "sluice/detail/graph.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

JobRows rowsOf(Driver::Results results);

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
