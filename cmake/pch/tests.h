// The same for test programs.
#pragma once

#include <boost/test/unit_test.hpp>

#include "common.h"
