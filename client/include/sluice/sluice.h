// Everything for batch applications.
#pragma once
#include <functional>

#include "sluice/application.h"
#include "sluice/context.h"
#include "sluice/fields.h"
#include "sluice/rdd.h"
#include "sluice/split.h"
