#include "common/thrown.h"

#include <cxxabi.h>

#include <cstdlib>
#include <stdexcept>
#include <typeinfo>

#include "sluice/error.h"

namespace sluice {
namespace {

std::string readable(const std::type_info& type) {
  int status = 0;
  char* name = abi::__cxa_demangle(type.name(), nullptr, nullptr, &status);
  std::string text = name ? name : type.name();
  std::free(name);
  return text;
}

}  // namespace

std::string wordsOf(const std::exception& error) {
  const std::type_info& type = typeid(error);
  std::string what = error.what();
  if (type == typeid(std::runtime_error) || type == typeid(std::logic_error) || dynamic_cast<const Error*>(&error)) return what;
  std::string name = readable(type);
  return what.empty() || what == name ? name : what.starts_with(name) ? what : name + ": " + what;
}

std::string nameOfThrown() {
  const std::type_info* type = abi::__cxa_current_exception_type();
  return type ? "an exception of type " + readable(*type) : "an unknown exception";
}

std::string withSite(std::string_view message, std::string_view site) {
  if (site.empty() || message.find(site) != message.npos) return std::string(message);
  return std::string(site) + ": " + std::string(message);
}

std::string_view withoutSite(std::string_view message, std::string_view site) {
  if (site.empty() || !message.starts_with(site) || !message.substr(site.size()).starts_with(": ")) return message;
  return message.substr(site.size() + 2);
}

}  // namespace sluice
