#include "worker/executor/machine.h"
