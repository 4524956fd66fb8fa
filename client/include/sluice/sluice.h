// Everything for batch applications. std::plus and its like come with <string> here; <functional> would cost each file 0.2 s.
#pragma once
#include "sluice/application.h"
#include "sluice/context.h"
#include "sluice/fields.h"
#include "sluice/rdd.h"
#include "sluice/split.h"
