// The settings behind a Conf: what the program set, over what the process was started with.
#pragma once
#include "common/conf.h"
#include "sluice/conf.h"

namespace sluice {
inline namespace SLUICE_ABI {

class ConfReader {
 public:
  static Settings settings(const Conf& conf);
  static Conf conf(const Settings& settings);
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
