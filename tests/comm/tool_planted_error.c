/* What `make memcheck` must find: reads past a block, uses what was never written, or loses a block. It starts as the
 * program does, which may execute itself again: out of the checker's sight, if that is not seen to. */
#include "comm/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    world_prepare(argv, 0);
    const char *error = argc > 1 ? argv[1] : "";
    char *volatile block = malloc(16); /* volatile: the compiler must not see through it */
    if (!block)
        return 2;
    if (strcmp(error, "read") == 0)
        printf("%d\n", block[16]);
    else if (strcmp(error, "uninitialised") == 0)
        puts(block[3] > 7 ? "more" : "less");
    if (strcmp(error, "leak") != 0)
        free(block);
    return 0;
}
