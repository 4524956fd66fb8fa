// The include matrix of this project: {seam, proto} <- common <- {client, master, worker}.
#include "tests/layering/include_matrix.h"

namespace sluice::layering {

const Matrix& matrix() {
  static const Matrix rules = {
      .rooms =
          {
              {"common/include/", {"common/include/"}, {}},
              {"client/include/", {"common/include/", "client/include/"}, {}},
              {"client/examples/", {"common/include/", "client/include/", "client/examples/"}, {}},
              {"common/", {"common/", "proto/"}, {}},
              {"master/", {"master/", "common/", "proto/"}, {}},
              // The daemon and the executor are two processes; what both need is in common.
              {"worker/", {"worker/", "common/", "proto/"}, {"worker/executor/"}},
              {"worker/executor/", {"worker/executor/", "common/", "proto/"}, {}},
              {"client/", {"client/", "common/", "proto/"}, {"client/examples/"}},
              // The whole system in one process: machines of the other roles, never their shells.
              {"client/local/", {"client/", "common/", "proto/", "master/", "worker/executor/"}, {"master/shell", "worker/shell", "worker/executor/shell"}},
              {"client/testing/", {"client/", "common/", "proto/", "master/", "worker/executor/"}, {"master/shell", "worker/shell", "worker/executor/shell"}},
              {"tests/", {"tests/", "client/", "common/", "proto/", "master/", "worker/"}, {"master/shell", "worker/shell", "worker/executor/shell"}},
          },
      .confined =
          {
              {"gRPC", {"grpc/", "grpcpp/", "grpc++/"}, {"common/grpc/", "tests/fuzz/link_frame.cc", "tests/fuzz/make_seeds.cc", "tests/unit/common_link_test.cc"}},
              {"RocksDB", {"rocksdb/"}, {"common/rocksdb/", "tests/bench/reference/synced_write.cc", "tests/unit/common_journal_test.cc"}},
              {"libarchive", {"archive.h", "archive_entry.h"}, {"common/archive/"}},
              {"OpenSSL", {"openssl/"}, {"common/grpc/secret.cc"}},
              {"nlohmann-json", {"nlohmann/"}, {"common/resource_settings.cc"}},
              {"glog", {"glog/"}, {"master/main.cc", "worker/main.cc"}},
              {"CLI11", {"CLI/"}, {"common/command_line.h", "client/submit_main.cc", "client/ctl_main.cc", "master/main.cc", "worker/main.cc", "tests/bench/main.cc"}},
              {"GoogleTest", {"gtest/", "gmock/"}, {"tests/", "client/testing/main/"}},
          },
      .pure =
          {
              {"master/machine", {"thread", "mutex", "shared_mutex", "condition_variable", "chrono", "fstream", "random", "sys/", "unistd.h", "fcntl.h", "common/mutex.h", "common/clock.h", "common/strand.h", "common/timers.h"}, {}},
              {"worker/executor/machine", {"thread", "mutex", "shared_mutex", "condition_variable", "chrono", "fstream", "random", "sys/", "unistd.h", "fcntl.h", "common/mutex.h", "common/clock.h", "common/strand.h", "common/timers.h"}, {}},
              {"worker/machine", {"thread", "mutex", "shared_mutex", "condition_variable", "chrono", "fstream", "random", "sys/", "unistd.h", "fcntl.h", "common/mutex.h", "common/clock.h", "common/strand.h", "common/timers.h"}, {}},
          },
      .publicFolders = {"common/include/", "client/include/"},
  };
  return rules;
}

}  // namespace sluice::layering
