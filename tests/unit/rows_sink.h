// A receiver's sink for tests of what comes as encoded rows.
#pragma once
#include <cstddef>
#include <string_view>

#include "sluice/receiver_base.h"

namespace sluice {

class RowsSink : public BlockSink {
 public:
  void addText(std::string_view) override {}
  char* textSpace(std::size_t, std::size_t&) override { return nullptr; }
  void textRead(std::size_t) override {}
  void endText() override {}
  void storeReliably(std::string_view, std::size_t) override {}
  bool stopped() const override { return false; }
  void restart(std::string_view, Duration) override {}
  void report(std::string_view) override {}
  void end(std::string_view) override {}
};

}  // namespace sluice
