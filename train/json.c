#include "train/json.h"

#include <stdio.h>

enum status json_print(const cJSON *object, const char *what)
{
    char *text = object ? cJSON_PrintUnformatted(object) : NULL;
    CHECK(text, STATUS_INTERNAL, "out of memory: %s as JSON", what);
    puts(text);
    cJSON_free(text);
    return STATUS_OK;
}
