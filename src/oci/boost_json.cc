// SPDX-License-Identifier: Apache-2.0
// Boost.JSON compiled here instead of linked: Debian's archive holds it as one object, which takes
// iostreams and locales along into a static program, and their pages into its memory.
#include <boost/json/src.hpp>
