#include "common/settings_files.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "common/conf_keys.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string homeFolder(const char* variable, const char* under) {
  if (std::string named = environment(variable); !named.empty()) return named + "/sluice";
  if (std::string home = environment("HOME"); !home.empty()) return home + "/" + under + "/sluice";
  return "/tmp/sluice-" + std::to_string(::getuid()) + "/" + under;
}

std::string defaultsFile() {
  if (std::string folder = environment("SLUICE_CONF_DIR"); !folder.empty()) return folder + "/sluice-defaults.conf";
  std::error_code ignored;
  return fs::read_symlink("/proc/self/exe", ignored).parent_path().parent_path() / "conf" / "sluice-defaults.conf";
}

}  // namespace

absl::Status readSettings(const std::string& propertiesFile, Settings& settings) {
  if (auto status = settings.readEnvironment(); !status.ok()) return status;
  if (!propertiesFile.empty()) return settings.readFile(propertiesFile);
  std::string file = defaultsFile();
  std::error_code ignored;
  return fs::exists(file, ignored) ? settings.readFile(file) : absl::OkStatus();
}

std::string workDirectory(const Settings& settings) {
  if (std::string named = settings.get(conf::kWorkDir); !named.empty()) return named;
  return ::getuid() == 0 ? "/var/lib/sluice" : homeFolder("XDG_STATE_HOME", ".local/state");
}

std::string cacheDirectory() { return homeFolder("XDG_CACHE_HOME", ".cache"); }

}  // namespace sluice
