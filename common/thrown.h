// What users' code threw, in words, and where.
#pragma once
#include <exception>
#include <string>
#include <string_view>

#include "sluice/abi.h"

namespace sluice {

// In a catch block. Its words, after its type where the words alone would not do: "std::invalid_argument: stod", but "no such customer" of a
// std::runtime_error, and of our own Error.
SLUICE_INTERNAL std::string wordsOf(const std::exception& error);
// In a catch (...): "an exception of type int".
SLUICE_INTERNAL std::string nameOfThrown();

// "map at app.cc:7: " + the message, if it does not say that place already.
SLUICE_INTERNAL std::string withSite(std::string_view message, std::string_view site);
// The message without that beginning, for who has said the place.
SLUICE_INTERNAL std::string_view withoutSite(std::string_view message, std::string_view site);

}  // namespace sluice
