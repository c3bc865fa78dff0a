#include "io/text.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_standard(const char *path)
{
    return strcmp(path, "-") == 0;
}

enum status text_check_inputs(const struct text_list *lists, size_t count)
{
    size_t found = 0;
    for (size_t l = 0; l < count; l++)
        for (size_t i = 0; i < lists[l].count; i++)
            found += is_standard(lists[l].items[i]);
    CHECK(found <= 1, STATUS_USAGE, "standard input (-) can be read once, found it %zu times", found);
    return STATUS_OK;
}

/* Whether `path`, where "-" is standard input, is the file of `own`. */
static bool is_file(const char *path, const struct stat *own)
{
    struct stat other;
    int failed = is_standard(path) ? fstat(STDIN_FILENO, &other) : stat(path, &other);
    return failed == 0 && own->st_dev == other.st_dev && own->st_ino == other.st_ino;
}

enum status text_check_output(const char *output, const struct text_list *inputs)
{
    return text_check_result("output", output, inputs);
}

enum status text_check_result(const char *name, const char *output, const struct text_list *inputs)
{
    struct stat own;
    if (!output || is_standard(output) || stat(output, &own) != 0 || !S_ISREG(own.st_mode))
        return STATUS_OK;
    for (size_t i = 0; i < inputs->count; i++) {
        const char *input = inputs->items[i];
        CHECK(!is_file(input, &own), STATUS_USAGE,
                "--%s %s would replace %s, which is read: give it another name", name, output,
                is_standard(input) ? "standard input" : input);
    }
    return STATUS_OK;
}
