// Lines of text from a TCP connection, as socketTextStream gives them.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "sluice/abi.h"
#include "sluice/receiver_base.h"

namespace sluice {

SLUICE_INTERNAL extern const ReceiverDesc kSocketTextReceiver;
std::string socketTextCaptures(std::string_view host, std::uint16_t port);

}  // namespace sluice
