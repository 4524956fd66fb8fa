// What gRPC is told of the link's secret.
#pragma once
#include <grpcpp/grpcpp.h>

#include <memory>

#include "common/grpc/secret.h"

namespace sluice {

std::shared_ptr<grpc::ServerCredentials> serverCredentials(const LinkSecretPtr& secret);
std::shared_ptr<grpc::ChannelCredentials> channelCredentials(const LinkSecretPtr& secret, grpc::ChannelArguments& arguments);

}  // namespace sluice
