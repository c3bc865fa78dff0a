#include "comm/memory.h"

#include "comm/fault.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* In front of every block, so that memory_free() knows what it frees. */
struct header {
    size_t bytes; /* asked for */
    struct memory_label *label;
};

_Static_assert(sizeof(struct header) <= MEMORY_ALIGNMENT, "the header must fit in front of an aligned block");

enum { LABEL_LIMIT = 96 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct memory_label labels[LABEL_LIMIT];
static size_t label_count;

bool size_multiply(size_t *out, size_t a, size_t b)
{
    return !__builtin_mul_overflow(a, b, out);
}

bool size_add(size_t *out, size_t a, size_t b)
{
    return !__builtin_add_overflow(a, b, out);
}

/* With the lock held. A table that is full counts under its last label. */
static struct memory_label *find_label(const char *label)
{
    for (size_t i = 0; i < label_count; i++)
        if (strcmp(labels[i].label, label) == 0)
            return &labels[i];
    if (label_count < LABEL_LIMIT)
        labels[label_count++].label = label;
    return &labels[label_count - 1];
}

/* Counts `bytes` more of a label, and `blocks` more allocations. */
static struct memory_label *account(const char *label, size_t bytes, size_t blocks)
{
    pthread_mutex_lock(&lock);
    struct memory_label *l = find_label(label);
    l->bytes += bytes;
    l->blocks += blocks;
    if (l->bytes > l->peak)
        l->peak = l->bytes;
    pthread_mutex_unlock(&lock);
    return l;
}

static void discount(struct memory_label *label, size_t bytes)
{
    pthread_mutex_lock(&lock);
    label->bytes -= bytes;
    label->blocks--;
    pthread_mutex_unlock(&lock);
}

static enum status allocate(void **out, const char *label, size_t bytes)
{
    size_t total;
    bool fits = size_add(&total, bytes, 2 * MEMORY_ALIGNMENT - 1);
    total = total / MEMORY_ALIGNMENT * MEMORY_ALIGNMENT;
    char *block = fits && !fault_fires(FAULT_MEMORY) ? aligned_alloc(MEMORY_ALIGNMENT, total) : NULL;
    CHECK(block, STATUS_INTERNAL, "out of memory: %zu bytes for '%s'", bytes, label);
    struct header *header = (struct header *)block;
    *header = (struct header){bytes, account(label, bytes, 1)};
    *out = block + MEMORY_ALIGNMENT;
    return STATUS_OK;
}

static struct header *header_of(void *pointer)
{
    return (struct header *)((char *)pointer - MEMORY_ALIGNMENT);
}

enum status memory_take(void *out, const char *label, size_t count, size_t size)
{
    size_t bytes;
    void *block = NULL;
    CHECK(size_multiply(&bytes, count, size), STATUS_INTERNAL, "%zu items of %zu bytes for '%s' are too many",
            count, size, label);
    TRY(allocate(&block, label, bytes));
    memcpy(out, &block, sizeof block);
    return STATUS_OK;
}

enum status memory_new(void *out, const char *label, size_t count, size_t size)
{
    void *block = NULL;
    TRY(memory_take(&block, label, count, size));
    memset(block, 0, count * size);
    memcpy(out, &block, sizeof block);
    return STATUS_OK;
}

enum status memory_resize(void *out, const char *label, size_t count, size_t size)
{
    void *old, *block = NULL;
    memcpy(&old, out, sizeof old);
    TRY(memory_new(&block, label, count, size));
    if (old) {
        size_t had = header_of(old)->bytes, has = header_of(block)->bytes;
        memcpy(block, old, had < has ? had : has);
        memory_free(old);
    }
    memcpy(out, &block, sizeof block);
    return STATUS_OK;
}

enum status memory_grow(void *out, const char *label, size_t *room, size_t count, size_t size)
{
    if (count <= *room)
        return STATUS_OK;
    size_t wanted = count / 2 > *room ? count : 2 * *room;
    wanted = wanted < count ? count : wanted;
    TRY(memory_resize(out, label, wanted, size));
    *room = wanted;
    return STATUS_OK;
}

enum status memory_copy(void *out, const char *label, const void *from, size_t bytes)
{
    size_t with_end;
    void *block = NULL;
    CHECK(size_add(&with_end, bytes, 1), STATUS_INTERNAL, "%zu bytes for '%s' are too many", bytes, label);
    TRY(allocate(&block, label, with_end));
    if (bytes)
        memcpy(block, from, bytes);
    ((char *)block)[bytes] = '\0';
    memcpy(out, &block, sizeof block);
    return STATUS_OK;
}

enum status memory_text(char **out, const char *label, const char *text)
{
    return memory_copy(out, label, text, strlen(text));
}

void memory_free(void *pointer)
{
    if (!pointer)
        return;
    struct header *header = header_of(pointer);
    discount(header->label, header->bytes);
    free(header);
}

/* ---- pages ---- */

/* The system gives and takes whole pages; many at once to what is large. */
enum { PAGES_FEW = 1 << 12, PAGES_MANY = 1 << 21 };

static size_t up_to(size_t bytes, size_t step)
{
    return (bytes + step - 1) / step * step;
}

enum status pages_open(struct pages *out, const char *label, size_t reserved)
{
    void *start = MAP_FAILED;
    for (size_t size = up_to(reserved, PAGES_MANY); start == MAP_FAILED && size >= PAGES_MANY;
            size = size / 2 / PAGES_MANY * PAGES_MANY) {
        reserved = size;
        start = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    }
    CHECK(start != MAP_FAILED, STATUS_INTERNAL, "out of memory: no addresses for '%s'", label);
    *out = (struct pages){.start = start, .reserved = reserved, .label = account(label, 0, 1)};
    return STATUS_OK;
}

enum status pages_hold(struct pages *pages, size_t bytes)
{
    if (bytes <= pages->bytes)
        return STATUS_OK;
    const char *label = pages->label->label;
    CHECK(bytes <= pages->reserved, STATUS_INTERNAL,
            "out of memory: %zu bytes for '%s', more than the %zu of this machine's memory, or of ulimit -v, "
            "that it may have",
            bytes, label, pages->reserved);
    size_t held = up_to(bytes, bytes < PAGES_MANY ? PAGES_FEW : PAGES_MANY);
    bool given = !fault_fires(FAULT_MEMORY) && mprotect(pages->start, held, PROT_READ | PROT_WRITE) == 0;
    CHECK(given, STATUS_INTERNAL, "out of memory: %zu bytes for '%s'", bytes, label);
    account(label, held - pages->bytes, 0);
    pages->bytes = held;
    return STATUS_OK;
}

void pages_close(struct pages *pages)
{
    if (!pages->start)
        return;
    munmap(pages->start, pages->reserved);
    discount(pages->label, pages->bytes);
    *pages = (struct pages){0};
}

bool memory_report(size_t i, struct memory_label *out)
{
    pthread_mutex_lock(&lock);
    bool known = i < label_count;
    if (known)
        *out = labels[i];
    pthread_mutex_unlock(&lock);
    return known;
}

size_t memory_blocks(void)
{
    size_t blocks = 0;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < label_count; i++)
        blocks += labels[i].blocks;
    pthread_mutex_unlock(&lock);
    return blocks;
}
