// The part of the application that is worth a test: from lines to what is shown.
#pragma once
#include <sluice/streaming.h>

struct Reading {
  std::string sensor;
  double degrees = 0;
  SLUICE_FIELDS(Reading, sensor, degrees)
};

// The hottest reading of each sensor in each batch; a line is "sensor degrees", others are left out.
sluice::DStream<Reading> hottest(const sluice::DStream<std::string_view>& lines);
