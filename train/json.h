/* What commands print with --json. */
#ifndef TRAIN_JSON_H
#define TRAIN_JSON_H

#include "comm/status.h"

#include <cjson/cJSON.h>

/* Prints `object` on a line of standard output. NULL, or too little memory to print it, is STATUS_INTERNAL naming
 * `what`. The object remains the caller's. */
enum status json_print(const cJSON *object, const char *what);

#endif
