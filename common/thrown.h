// What users' code threw, in words.
#pragma once
#include <exception>
#include <string>

#include "sluice/abi.h"

namespace sluice {

// In a catch block. Its words, after its type where the words alone would not do: "std::invalid_argument: stod", but "no such customer" of a
// std::runtime_error, and of our own Error.
SLUICE_INTERNAL std::string wordsOf(const std::exception& error);
// In a catch (...): "an exception of type int".
SLUICE_INTERNAL std::string nameOfThrown();

}  // namespace sluice
