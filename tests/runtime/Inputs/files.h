/* For tests of what is written: the number of files in a directory. */
#ifndef FILES_H
#define FILES_H
#include "tests/abi/Inputs/check.h"

#include <dirent.h>

static int files_in(const char *directory) {
  DIR *listing = opendir(directory);
  int count = 0;
  CHECK(listing);
  while (readdir(listing))
    ++count;
  closedir(listing);
  return count - 2;
}

#endif
