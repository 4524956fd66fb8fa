#include "master/machine.h"
